/** Puts the parts together: stream → store → views, and the URL that says which view. */

/** @import { Route, Session, View, ViewName } from "./types.js" */

import { AlertList } from "./alertlist.js";
import { Announcer } from "./announcer.js";
import { byId, setAttribute, setVisible } from "./dom.js";
import { onNextFrame } from "./frame.js";
import { Header } from "./header.js";
import { Loader } from "./loader.js";
import { LoginForm } from "./login.js";
import { Model } from "./model.js";
import { Places } from "./places.js";
import { RequestError } from "./request.js";
import { isFiltered } from "./route.js";
import { Router } from "./router.js";
import { loadSession, logout, mustLogIn, OPEN } from "./session.js";
import { Toolbar } from "./toolbar.js";
import { DeviceView } from "./views/device.js";
import { KioskView } from "./views/kiosk.js";
import { NodesView } from "./views/nodes.js";
import { TableView } from "./views/table.js";
import { WallView } from "./views/wall.js";
import { CONNECTION_WORDS, spokenTotal } from "./wording.js";

/** @type {Record<ViewName, new (services: import("./types.js").Services) => View>} */
const VIEWS = { wall: WallView, table: TableView, device: DeviceView, nodes: NodesView, kiosk: KioskView };

const requestRender = onNextFrame(() => render());
const model = new Model(new URL("api/v1/stream", document.baseURI), { changed: requestRender, refused: () => void checkSession() });
const router = new Router((route) => show(route));
const toolbar = new Toolbar(router);
const alerts = new AlertList();
const announcer = new Announcer({ total: byId("say-total"), connection: byId("say-connection"), alert: byId("say-alert") }, model.stopwatch);
const header = new Header(router, { retry: () => model.stream.hurry(), pause: () => model.togglePause(), logout: () => void leave() });
const loginForm = new LoginForm((session) => enter(session));

/** @type {Session | null} */
let session = null;

/** @type {import("./types.js").Services} */
const services = {
  store: model.store,
  listing: model.listing,
  histories: model.histories,
  stopwatch: model.stopwatch,
  loader: new Loader(),
  router,
  context: () => model.context(),
  session: () => session,
  wishChanged: () => arrange(),
};

const places = new Places(byId("main"));
/** @type {View} */
let view = new VIEWS[router.route.view](services);
/** What the view shows: another one of these is another view. */
let shown = key(router.route);
let connection = model.connection();

/** @param {Route} route */
function key({ view: name, device }) {
  return name === "device" ? `device ${device}` : name;
}

/** @param {Route} route */
function show(route) {
  if (key(route) === shown) {
    view.setRoute(route, model.context());
  } else {
    const from = shown;
    places.leave(from);
    exchange(route);
    places.enter(shown, from);
  }
  frame(route);
  arrange();
  requestRender();
}

/** Another view, of what is known. @param {Route} route */
function exchange(route) {
  view.leave();
  shown = key(route);
  view = new VIEWS[route.view](services);
  byId("view").replaceChildren(view.element);
  view.setAwake(!document.hidden);
  view.update(model.everything(), model.context());
}

/** What surrounds the view. @param {Route} route */
function frame(route) {
  setAttribute(document.documentElement, "data-view", route.view);
  toolbar.setRoute(route);
}

/** The window or the wish changed: what is on screen may be another part. */
const arrange = onNextFrame(() => {
  view.arrange(model.context());
  places.settle();
  model.want(view.wish());
});

function render() {
  const present = model.context();
  const change = model.takeChange();
  const answered = model.takeAnswered();
  if (answered || change.changed.size > 0 || change.removed.size > 0) view.update(change, present);
  toolbar.offer(labelsOf(change.changed));
  if (present.connection !== connection) {
    connection = present.connection;
    view.render(present);
    announcer.connection(`Connection: ${CONNECTION_WORDS[connection].word}`);
  }
  renderFrame();
  arrange();
  model.acknowledge();
}

/** @param {Set<string>} ids */
function* labelsOf(ids) {
  for (const id of ids) yield model.store.devices.get(id)?.labels ?? [];
}

/** Everything around the view. */
function renderFrame() {
  const present = model.context();
  const { store } = model;
  const { query, view: name } = router.route;
  const listed = name === "wall" || name === "table" || name === "kiosk";
  const total = model.listing.total(query);
  const nothing = listed && store.summary !== null && total === 0;
  header.render({
    ...present,
    summary: store.summary,
    asOf: store.serverTime,
    retryIn: model.retryIn(),
    rate: model.rate.perSecond(),
    title: view.title(),
  });
  toolbar.render(store.summary, total);
  const news = alerts.render(store.alerts, present);
  if (news !== "") announcer.alert(news);
  setVisible(byId("none"), nothing && isFiltered(query));
  setVisible(byId("empty"), nothing && !isFiltered(query));
  setVisible(byId("waiting"), store.summary === null && !mustLogIn(session));
}

function tick() {
  model.stream.check();
  const present = model.context();
  view.render(present);
  renderFrame();
  if (model.store.summary !== null && present.connection === "live") announcer.total(spokenTotal(model.store.summary));
}

function wake() {
  view.setAwake(!document.hidden);
  if (document.hidden) return;
  tick();
  model.stream.hurry();
}

/** The stream was refused: perhaps because nobody is logged in any more. */
async function checkSession() {
  const present = await loadSession();
  if (present === null) return;
  if (mustLogIn(present)) expel(present);
  else header.setSession((session = present));
}

/** @param {Session} present */
function enter(present) {
  session = present;
  header.setSession(present);
  loginForm.show(mustLogIn(present), present.provider);
  setAttribute(document.documentElement, "data-login", null);
  model.start();
}

/** Nothing of what was seen stays for whoever comes next. @param {Session} present */
function expel(present) {
  session = present;
  model.clear();
  exchange(router.route);
  header.setSession(present);
  setAttribute(document.documentElement, "data-login", "");
  loginForm.show(true, present.provider);
  requestRender();
}

async function leave() {
  try {
    await logout();
    expel({ ...(session ?? OPEN), accessControl: true, user: null });
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    announcer.connection(`Not logged out: ${error.message}`);
  }
}

byId("view").replaceChildren(view.element);
frame(router.route);
document.addEventListener("visibilitychange", wake);
window.addEventListener("pageshow", wake);
window.addEventListener("online", () => model.stream.hurry());
window.addEventListener("resize", arrange);
window.addEventListener("scroll", arrange, { passive: true });
setInterval(tick, 1000);
arrange();
const first = await loadSession();
if (mustLogIn(first)) expel(/** @type {Session} */ (first));
else enter(first ?? OPEN);
