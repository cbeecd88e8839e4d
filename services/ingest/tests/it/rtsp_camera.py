#!/usr/bin/python3
"""An RTSP camera of GStreamer's, for the tests: /jpeg, /h264 and /h265, 320x240 at 10 pictures a second.

usage: rtsp_camera.py PORT [basic|digest USER PASSWORD | tls CERTIFICATE KEY USER PASSWORD]
Prints "ready" when it listens and ends when its standard input does.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

SOURCE = "( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=10/1 ! "
CODERS = {
    "/jpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26 )",
    "/h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 pt=96 )",
    "/h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph265pay name=pay0 pt=96 )",
}
ROLE = "viewer"


def guard(server, method, *files, user, password):
    """Lets nobody in but the user, and that within TLS if there are files of a certificate and its key."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    auth = GstRtspServer.RTSPAuth()
    if method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    if files:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*files))
    server.set_auth(auth)


def main():
    """Serves until the end of the input."""
    port, login = sys.argv[1], sys.argv[2:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    if login:
        *how, user, password = login
        guard(server, *how, user=user, password=password)
    for path, coder in CODERS.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(SOURCE + coder)
        if login:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role(ROLE, "media.factory.access", True)
            permissions.add_permission_for_role(ROLE, "media.factory.construct", True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    if not server.attach(None):
        sys.exit(f"port {port} cannot be used")
    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_HUP, lambda *_: loop.quit())
    print("ready", flush=True)
    loop.run()


main()
