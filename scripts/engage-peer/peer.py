"""Shows counts as a service on Flask-SocketIO usually does: a message from MQTT is emitted to everybody who is there.

usage: peer.py threading|gevent BROKER_PORT PORT
"""

import sys

MODE = sys.argv[1]
if MODE == "gevent":
    from gevent import monkey

    monkey.patch_all()

import json
import resource

import paho.mqtt.client as mqtt
from flask import Flask
from flask_socketio import SocketIO

# a connection of each viewer is a file
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

app = Flask(__name__)
socketio = SocketIO(app, async_mode=MODE)


def subscribe(client, _userdata, _flags, reason, _properties):
    if reason.is_failure:
        sys.exit(f"the broker does not take the connection: {reason}")
    client.subscribe("people-counter/v1/devices/+/counts", qos=1)


def show(_client, _userdata, message):
    socketio.emit("count", json.loads(message.payload))


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="peer", protocol=mqtt.MQTTv5)
client.on_connect = subscribe
client.on_message = show
client.connect("127.0.0.1", int(sys.argv[2]))
client.loop_start()

options = {"allow_unsafe_werkzeug": True} if MODE == "threading" else {}
socketio.run(app, host="127.0.0.1", port=int(sys.argv[3]), **options)
