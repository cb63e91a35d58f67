// src/settings.ts
var settings = { name: "tropa", linker: [], consent: "granted" };
var keyOf = (suffix) => `${settings.name}_${suffix}`;

// src/storage.ts
var quietly = (work) => {
  try {
    return work();
  } catch {
  }
};
var read = (suffix) => quietly(() => JSON.parse(localStorage[keyOf(suffix)] || null));
var write = (suffix, value) => quietly(() => {
  value ? localStorage[keyOf(suffix)] = JSON.stringify(value) : delete localStorage[keyOf(suffix)];
  return value;
});
var eachStored = (visit) => quietly(
  () => Object.keys(localStorage).forEach((key2) => {
    const [before, suffix] = key2.split(keyOf(""));
    before || visit(suffix);
  })
);
var readCookie = (name) => quietly(() => `; ${document.cookie}`.split(`; ${name}=`)[1].split(";")[0]) || "";
var writeCookie = (suffix, value) => quietly(() => {
  document.cookie = `${keyOf(suffix)}=${value};path=/;max-age=${value ? 3456e4 : 0};samesite=lax;domain=${settings.domain || ""}` + (location.protocol > "http:" ? ";secure" : "");
});

// src/consent.ts
var gpc = () => navigator.globalPrivacyControl;
var granted = () => settings.consent === "granted";
var waiting = () => !settings.writeKey || settings.consent === "pending" || document.prerendering;
var recalled = () => read("consent") || settings.consent;

// src/ids.ts
var uuid = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(36));
  return `${Date.now().toString(16).padStart(12, "0")}-7xxx-8xxx-xxxxxxxxxxxx`.replace(/x/g, (_, at) => (bytes[at] & 15).toString(16)).replace(/.{8}/, "$&-");
};
var shortId = () => uuid().slice(-12);

// src/identity.ts
var memory = "";
var user = { traits: {} };
var keepId = (id) => {
  memory = id;
  writeCookie("id", id && `${id}.0`);
  write("id", id);
};
var visitorId = (arrived) => {
  if (!granted() || settings.httpOnly) return null;
  const known = read("id");
  if (memory && (known === memory || known === void 0)) return memory;
  const inCookie = readCookie(keyOf("id")).split(".")[0];
  const id = inCookie || known || memory || arrived || uuid();
  inCookie ? write("id", memory = id) : keepId(id);
  return id;
};
var renewId = () => {
  if (granted()) settings.httpOnly ? write("id", 1) : keepId(uuid());
};
var takeReset = () => settings.httpOnly && read("id") && !write("id");
var getUser = () => granted() && read("user") || user;
var setUser = (next) => {
  user = next;
  if (granted()) write("user", user);
};
var identifyUser = (id, traits) => {
  const known = getUser();
  const changed = id && known.id && known.id !== id;
  if (changed) renewId();
  setUser({ id: id || known.id, traits: { ...changed ? {} : known.traits, ...traits } });
};
var forget = () => {
  user = { traits: {} };
  keepId("");
};

// src/linker.ts
var sign = (id, time) => `${id}.${time}.${[...id + time + navigator.userAgent].reduce((sum, char) => sum * 33 + char.charCodeAt(0) | 0, 0)}`;
var isOwn = ({ hostname }) => settings.linker.some((domain) => `.${hostname}`.endsWith(`.${domain}`));
var mark = (address) => {
  const url = new URL(address);
  const id = visitorId();
  if (!id || !isOwn(url)) return;
  url.searchParams.set(keyOf("id"), sign(id, `${Date.now()}`));
  return url.href;
};
var arrive = () => {
  const url = new URL(location.href);
  const value = url.searchParams.get(keyOf("id"));
  if (!value) return;
  const [id, time] = value.split(".");
  url.searchParams.delete(keyOf("id"));
  history.replaceState(history.state, "", url);
  if (value === sign(id, time) && Date.now() - +time < 12e4 && isOwn(new URL(document.referrer))) visitorId(id);
};

// src/listeners.ts
var listeners = /* @__PURE__ */ new Set();
var debugging = false;
var debug = (on2) => {
  debugging = on2;
};
var on = (kind, listener) => {
  const entry = [kind, listener];
  listeners.add(entry);
  return () => {
    listeners.delete(entry);
  };
};
var fire = (kind, subject, reason) => {
  if (debugging) console.log(kind, subject, reason);
  listeners.forEach(([wanted, listener]) => {
    if (wanted !== kind || !subject) return;
    const next = quietly(() => listener(subject, reason));
    if (kind === "use" && next !== void 0) subject = next;
  });
  return subject;
};

// src/context.ts
var slow = {};
var askSlowFacts = () => (self.requestIdleCallback || setTimeout)(
  () => quietly(() => {
    slow.timezone = self.Temporal ? Temporal.Now.timeZoneId() : Intl.DateTimeFormat().resolvedOptions().timeZone;
    navigator.userAgentData.getHighEntropyValues(["platformVersion", "model"]).then(
      (values) => {
        slow.userAgentData = values;
      },
      () => {
      }
    );
  })
);
var batchContext = () => ({
  library: { name: "tropa.js", version: "0.1.0" },
  locale: navigator.language,
  screen: { width: screen.width, height: screen.height, density: devicePixelRatio },
  ...slow,
  externalIds: [
    ["ga_client_id", "_ga"],
    ["ym_client_id", "_ym_uid"]
  ].map(([type, cookie]) => ({ type, id: granted() && readCookie(cookie) })).filter(({ id }) => id),
  consent: { state: settings.consent }
});

// src/queue.ts
var OPEN = 0;
var CLOSED = 1;
var TRIED = 2;
var BATCH_EVENTS = 50;
var BATCH_BYTES = 47e3;
var MAX_EVENTS = 1e3;
var MAX_CHARS = 1e6;
var MAX_AGE = 7 * 864e5;
var LEASE = 12e3;
var HIDDEN_LEASE = 2e3;
var HEARTBEAT = 5e3;
var key = `q_${shortId()}`;
var batches = [];
var lost = 0;
var leaseEnd = 0;
var heartbeat = 0;
var size = (text) => new TextEncoder().encode(text).length;
var parsed = (batch) => JSON.parse(`[${batch.items}]`);
var clear = () => {
  batches = [];
  leaseEnd = 0;
  clearTimeout(heartbeat);
};
var save = (leaving) => {
  const hidden = leaving || document.hidden;
  const end = Date.now() + (hidden ? HIDDEN_LEASE : LEASE);
  clearTimeout(heartbeat);
  if (batches[0] && !hidden) heartbeat = setTimeout(save, HEARTBEAT);
  if (granted()) leaseEnd = write(key, batches[0] && [end, ...batches]) ? end : 0;
};
var leaseOf = (suffix) => read(suffix) || [0];
var claimed = () => {
  if (leaseEnd && Date.now() > leaseEnd && leaseOf(key)[0] !== leaseEnd) clear();
  return batches;
};
var keep = (wanted) => {
  batches = batches.filter(wanted);
};
var lose = (event, code) => {
  lost++;
  fire("drop", event, { code });
};
var bound = () => {
  let items;
  while ((items = batches.flatMap(({ items: items2 }) => items2)).length > MAX_EVENTS || `${items}`.length > MAX_CHARS) {
    lose(JSON.parse(batches[0].items.shift()), "full");
    keep(({ items: items2 }) => items2[0]);
  }
};
var adopt = (later) => {
  const now = Date.now();
  claimed();
  eachStored((other) => {
    if (other === key || !/^q_/.test(other)) return;
    const [end, ...left] = leaseOf(other);
    if (end > now && end - now <= LEASE) return later();
    write(other);
    left.forEach((batch) => {
      if (now - batch.at < MAX_AGE) batches.unshift({ ...batch, state: batch.state | CLOSED });
      else parsed(batch).forEach((event) => lose(event, "expired"));
    });
  });
  const acknowledged = readCookie(keyOf("ack"));
  keep(({ id }) => !acknowledged.includes(id));
  bound();
  save();
};
var halve = (batch) => {
  const items = batch.items.splice(batch.items.length / 2);
  batches.splice(batches.indexOf(batch) + 1, 0, { ...batch, id: shortId(), reset: 0, items, state: CLOSED });
  save();
};
var add = (json, reset) => {
  let batch = claimed()[batches.length - 1];
  if (!batch || batch.state || reset || batch.items.length >= BATCH_EVENTS || size(`${batch.items}${json}`) > BATCH_BYTES) {
    batches.push(batch = { id: shortId(), at: Date.now(), reset, items: [], state: OPEN, dropped: lost });
    lost = 0;
  }
  batch.items.push(json);
  bound();
  save();
  return batch.items.length;
};

// src/sender.ts
var LINGER = 250;
var SEND_AT = 20;
var TIMEOUT = 15e3;
var RESCAN = 2e3;
var AFTERMATH = 5e3;
var KEEPALIVE_BYTES = 6e4;
var flights = /* @__PURE__ */ new Set();
var bytesInFlight = 0;
var failures = 0;
var timer = 0;
var rescan = 0;
var afterAbort;
var credentials = () => granted() && settings.url.includes(location.hostname.split(".").slice(-2).join(".")) ? "include" : "omit";
var bodyOf = (batch) => `${JSON.stringify({
  writeKey: settings.writeKey,
  batchId: batch.id,
  sentAt: /* @__PURE__ */ new Date(),
  reset: batch.reset,
  dropped: batch.dropped,
  context: batchContext()
}).slice(0, -1)},"batch":[${batch.items}]}`;
var wake = (delay) => {
  timer = timer || setTimeout(send, delay);
};
var rest = () => {
  timer = clearTimeout(timer);
};
var send = () => {
  rest();
  const [batch] = claimed();
  if (batch && !waiting() && !flights.size) attempt(batch);
};
var settle = (batch, status, reply, retryAfter) => {
  if (!/200|4(?!08|25|29)../.test(status)) {
    rest();
    const backoff = Math.min(6e4, 1e3 * 2 ** failures++) * (1 - Math.random() / 2);
    return wake(Math.min(retryAfter, 3600) * 1e3 || backoff);
  }
  failures = 0;
  if (status === 413 && batch.items[1]) halve(batch);
  else {
    keep((other) => other !== batch);
    save();
    parsed(batch).forEach((event) => {
      const reason = status === 200 ? (reply.errors || []).find(({ messageId }) => messageId === event.messageId) : { status, ...reply };
      if (reason) fire("drop", event, reason);
    });
  }
  send();
};
var post = async (batch, body) => {
  const bytes = size(body);
  const flight = new AbortController();
  let status = 0;
  let retryAfter = 0;
  let reply = {};
  flights.add(flight);
  setTimeout(() => flight.abort(), TIMEOUT);
  bytesInFlight += bytes;
  try {
    const answer = await fetch(settings.url, {
      method: "POST",
      body,
      keepalive: bytesInFlight < KEEPALIVE_BYTES,
      credentials: credentials(),
      signal: flight.signal
    });
    status = answer.status;
    retryAfter = +answer.headers.get("retry-after");
    reply = await answer.json();
  } catch {
    if (status === 200) status = 0;
  }
  bytesInFlight -= bytes;
  if (flights.delete(flight)) quietly(() => settle(batch, status, reply, retryAfter));
  else setTimeout(afterAbort, AFTERMATH);
};
var attempt = (batch, leaving) => {
  const body = bodyOf(batch);
  if (!leaving || bytesInFlight + size(body) < KEEPALIVE_BYTES) post(batch, body);
  else if (credentials() === "omit" || !navigator.sendBeacon(settings.url, body))
    return batch.items[1] && (halve(batch), attempt(batch, leaving));
  batch.state = TRIED;
};
var leave = () => {
  for (const batch of claimed()) if (!waiting() && batch.state < TRIED) attempt(batch, true);
  save(true);
};
var schedule = (events) => {
  if (document.hidden) leave();
  else events < SEND_AT || failures ? wake(LINGER) : send();
};
var takeOver = () => {
  rescan = 0;
  if (granted()) adopt(lookAgain);
  send();
};
var lookAgain = () => {
  rescan = rescan || setTimeout(takeOver, RESCAN);
};
var resume = () => {
  failures = 0;
  takeOver();
};
var abort = (then) => {
  afterAbort = then;
  rest();
  flights.forEach((flight) => flight.abort());
  flights.clear();
};

// src/session.ts
var MINUTE = 6e4;
var session;
var seen;
var landingTags = (search) => {
  const tags = {};
  new URLSearchParams(search).forEach((value, key2) => {
    if (/^utm_|(cl(ic)?k?id|braid|fat_id)$/.test(key2))
      tags[key2.replace("utm_campaign", "name").replace("utm_", "")] = value.slice(0, 512);
  });
  return JSON.stringify(tags);
};
var touchSession = () => {
  const now = Date.now();
  let [start2, last, tags] = granted() && read("session") || session || [0, 0, "{}"];
  const { search } = location;
  const landed = search === seen ? "{}" : landingTags(seen = search);
  const idle = Math.abs(now - last);
  const fresh = idle > 30 * MINUTE || now - start2 > 1440 * MINUTE || landed[2] && landed !== tags;
  if (fresh) [start2, tags] = [now, landed];
  if (fresh || idle > MINUTE) {
    session = [start2, now, tags];
    if (granted()) write("session", session);
  }
  return { sessionId: granted() ? start2 : void 0, campaign: tags[2] && JSON.parse(tags) };
};
var endSession = () => {
  session = void 0;
  write("session");
};

// src/pipeline.ts
var opened;
var accept = (event) => {
  const state = settings.consent;
  const purposes = event.context.consent.purposes.filter((purpose) => !gpc() || !/^(sale|advertising)$/.test(purpose));
  const refused = /^granted|^cookieless(?![ia])/.test(state + event.type) ? !purposes[0] && "gpc" : "consent";
  if (refused) return fire("drop", event, { code: refused });
  event.anonymousId = granted() ? visitorId() : event.userId = void 0;
  event.context = { ...quietly(touchSession), ...event.context, consent: { state, purposes, gpc: gpc() } };
  const final = fire("use", event);
  if (!final) return;
  const json = JSON.stringify(final);
  fire("event", final);
  schedule(add(json, takeReset()));
};
var open = () => {
  if (waiting()) return;
  if (granted()) quietly(arrive);
  resume();
  opened();
};
var wipe = () => {
  if (granted()) return;
  abort(wipe);
  clear();
  forget();
  endSession();
  writeCookie("ack", "");
  eachStored((suffix) => suffix === "consent" || write(suffix));
};
var obey = (next) => {
  settings.consent = next;
  if (next !== "pending") wipe();
  open();
};
var choose = (next) => {
  obey(next);
  write("consent", /ed$/.test(next) && next);
};
var start = (onOpen) => {
  opened = onOpen;
  askSlowFacts();
  addEventListener("visibilitychange", () => document.hidden ? leave() : resume());
  addEventListener("prerenderingchange", open, true);
  addEventListener("pagehide", leave);
  addEventListener("online", resume);
  addEventListener("storage", ({ key: key2 }) => {
    if (/_q_/.test(key2)) lookAgain();
    if (key2 === keyOf("consent")) obey(recalled());
  });
  obey(recalled());
};

// src/tropa.ts
var HELD = 100;
var isObject = (value) => Object(value) === value;
var held = [];
var current;
var viewed = "";
var previous = "";
var facts = () => {
  const { pathname, search, href } = new URL(current[3]);
  return { path: pathname, referrer: previous || document.referrer, search, title: current[4] || document.title, url: href };
};
var emit = (type, fields, options) => {
  const { context, purposes = ["analytics"], ...rest2 } = options || {};
  accept({
    type,
    messageId: current[5] || uuid(),
    timestamp: new Date(current[2]).toISOString(),
    userId: getUser().id,
    ...fields,
    ...rest2,
    context: { page: facts(), ...context, consent: { purposes } }
  });
};
var view = (type, args) => {
  const [name, category] = args.filter((arg) => typeof arg === "string").reverse();
  const [properties, options] = args.filter(isObject);
  const isPage = type === "page";
  if (isPage && viewed !== current[3]) {
    previous = viewed;
    viewed = current[3];
  }
  emit(type, { category, name, properties: { ...isPage && facts(), ...properties } }, options);
};
var verbs = {
  identify: (id, traits, options) => {
    if (isObject(id)) [id, traits, options] = [, id, traits];
    identifyUser(id && `${id}`, traits);
    emit("identify", { traits }, options);
  },
  track: (event, properties, options) => emit("track", { event, properties }, options),
  page: (...args) => view("page", args),
  screen: (...args) => view("screen", args),
  group: (groupId, traits, options) => emit("group", { groupId, traits }, options),
  alias: (userId, previousId, options) => emit("alias", { userId, previousId: previousId || getUser().id || visitorId() }, options),
  reset: (options) => {
    setUser({ traits: {} });
    endSession();
    if (!options || options.device !== false) renewId();
  }
};
var serve = (call) => {
  const [verb, args] = current = call;
  (verbs[verb] || api[verb])(...args);
};
var release = () => held.splice(0).forEach((call) => verbs[call[0]] && waiting() ? held.push(call) : quietly(() => serve(call)));
var receive = (verb, args) => {
  const messageId = uuid();
  const rest2 = args.filter((arg) => !(typeof arg === "function" && setTimeout(arg)));
  const call = [verb, rest2, Date.now(), location.href.slice(0, 4096), document.title, messageId];
  if (!waiting()) serve(call);
  else if (held.push(JSON.parse(JSON.stringify(call))) > HELD) {
    lose({ messageId: held.shift()[5] }, "full");
  }
  return messageId;
};
var api = {
  consent: choose,
  flush: send,
  link: (url) => quietly(() => mark(url)) || url,
  anonymousId: () => visitorId(),
  user: getUser,
  ready: (work) => {
    settings.writeKey ? quietly(() => work(api)) : on("ready", work);
  },
  debug,
  on,
  use: (middleware) => on("use", middleware)
};
for (let verb in verbs) {
  api[verb] = (...args) => {
    try {
      return receive(verb, args);
    } catch (error) {
      fire("error", error);
    }
  };
}
var open2 = (options, calls = []) => {
  api.load = (writeKey, more) => {
    if (settings.writeKey) return;
    Object.assign(settings, options, more, { writeKey });
    start(release);
    fire("ready", api);
  };
  held = calls;
  options.writeKey ? api.load(options.writeKey) : calls.forEach((call) => call[0] === "load" && serve(call));
  return api;
};

// src/forms.ts
var enableForms = (tropa) => {
  const submitted = ({ target }) => quietly(() => {
    const attribute = (name) => target.getAttribute(name);
    tropa.track("Form Submitted", { id: attribute("id"), name: attribute("name"), action: attribute("action") });
  });
  addEventListener("submit", submitted, true);
  return () => removeEventListener("submit", submitted, true);
};

// src/links.ts
var enableOutboundLinks = (tropa) => {
  const clicked = ({ target, button }) => quietly(() => {
    const link = target.closest("a[href]");
    if (!link.host || link.host === location.host || button > 1) return;
    tropa.track("Link Clicked", { url: link.href });
    link.href = tropa.link(link.href);
  });
  addEventListener("click", clicked, true);
  addEventListener("auxclick", clicked, true);
  return () => {
    removeEventListener("click", clicked, true);
    removeEventListener("auxclick", clicked, true);
  };
};

// src/pages.ts
var enablePageViews = (tropa, { hash } = {}) => {
  const { navigation } = self;
  const { pushState } = history;
  const address = () => location.pathname + location.search + (hash ? location.hash : "");
  let viewed2 = "";
  let stopped = false;
  const view2 = () => {
    if (stopped || viewed2 === address()) return;
    viewed2 = address();
    tropa.page();
  };
  const later = () => {
    setTimeout(view2);
  };
  const entered = ({ navigationType }) => {
    if (/push|trav/.test(navigationType)) later();
  };
  const returned = ({ persisted }) => {
    if (!persisted) return;
    viewed2 = "";
    view2();
  };
  if (navigation) navigation.addEventListener("currententrychange", entered);
  else {
    history.pushState = function(...args) {
      pushState.apply(this, args);
      later();
    };
    addEventListener("popstate", later);
  }
  addEventListener("pageshow", returned);
  view2();
  return () => {
    stopped = true;
    if (navigation) navigation.removeEventListener("currententrychange", entered);
    removeEventListener("popstate", later);
    removeEventListener("pageshow", returned);
  };
};

// src/index.ts
var instance;
var createTropa = (options = {}) => {
  if (options.writeKey) new URL(options.url);
  const usable = typeof document === "undefined" ? {} : options;
  if (!instance) instance = open2(usable);
  else if (usable.writeKey) instance.load(usable.writeKey, usable);
  return instance;
};
export {
  createTropa,
  enableForms,
  enableOutboundLinks,
  enablePageViews
};
