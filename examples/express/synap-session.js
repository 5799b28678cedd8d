// Sessions for Express, kept in Synap.
//
//   app.use(synapSession({ synap: new Synap('http://localhost:15500'), ttlS: 3600 }));
//   req.session.data                             what the session holds; read only
//   await req.session.update((data) => { ... })  change it; `data` is yours to change
//   await req.session.renew((data) => { ... })   the same, under a new id: at login, or where somebody gets more rights
//   await req.session.end()                      at logout
//
// The rules:
//
// * Ids are made here, from 256 random bits. One that is not in Synap is never adopted, whoever sent it.
// * A change is durable when `update` returns, so make it before you answer; the cookie is a header of that answer.
// * A change is written only over the version it was made from. If another request was faster, the function runs again,
//   on what that one wrote: it may run several times, so let it do nothing but change its `data`.
// * Over a session that has ended meanwhile nothing is written: a logout is final.
// * Each request moves the end of the session, in Synap and in the browser, `ttlS` seconds ahead.
// * Whoever only looks around gets no session: nothing is stored, no cookie is set.
// * Where Synap is away, each of these gives up after `timeoutMs`, with an error that Express answers with 503.

import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

import { StoreError } from './synap.js';

const ID = /^[A-Za-z0-9_-]{43}$/; // 256 bits in base64url
const NO_KEY = 0; // the version of what is not there
const ATTEMPTS = 20; // of so many requests that change a session at once, the slowest wins in its last attempt
const PAUSE_MS = 10; // and at random they do not keep meeting

export class SessionEndedError extends Error {
  status = 401;
}

export function synapSession({ synap, ttlS = 3600, cookie = 'session_id', secure = true, timeoutMs = 2000 }) {
  return async (req, res, next) => {
    const session = new Session({ synap, ttlS, cookie, secure, timeoutMs, res });
    await session.open(cookieOf(req, cookie));
    req.session = session;
    next();
  };
}

class Session {
  #options;
  #id = null;
  #version = NO_KEY;
  #text = '{}';

  constructor(options) {
    this.#options = options;
  }

  get data() {
    return JSON.parse(this.#text, (_, value) => Object.freeze(value));
  }

  // Read the session with this id, if there is one.
  async open(id) {
    if (!ID.test(id)) return;
    this.#id = id;
    if (await this.#read(this.#deadline())) this.#sendCookie();
    else this.#forget(); // but leave the cookie alone: the browser may have got another one meanwhile
  }

  async update(change) {
    this.#checkUnanswered();
    await this.#change(change, this.#deadline());
  }

  async renew(change = () => {}) {
    this.#checkUnanswered();
    const deadline = this.#deadline();
    if (this.#id !== null) await this.#move(newId(), deadline);
    await this.#change(change, deadline);
  }

  async end() {
    this.#checkUnanswered();
    if (this.#id !== null) await this.#options.synap.delete(keyOf(this.#id), this.#deadline());
    this.#forget();
    this.#sendCookie();
  }

  async #change(change, deadline) {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const data = JSON.parse(this.#text);
      change(data);
      if (this.#id === null && Object.keys(data).length === 0) return;
      if (await this.#write(JSON.stringify(data), deadline)) return this.#sendCookie();
      await pause(Math.random() * PAUSE_MS * attempt);
      if (!(await this.#read(deadline))) {
        this.#withdrawCookie();
        throw new SessionEndedError('the session has ended meanwhile');
      }
    }
    throw new StoreError('too many requests change this session at once');
  }

  async #read(deadline) {
    const found = await this.#options.synap.get(keyOf(this.#id), this.#options.ttlS, deadline);
    if (found === null) return false;
    this.#text = found.text;
    this.#version = found.version;
    return true;
  }

  // Whether the text could be written: whether nobody else was faster.
  async #write(text, deadline) {
    const { synap, ttlS } = this.#options;
    const id = this.#id ?? newId();
    const version = await synap.set(keyOf(id), text, ttlS, this.#version, deadline);
    if (version === null) return false;
    this.#id = id;
    this.#version = version;
    this.#text = text;
    return true;
  }

  // Give the session another id. If it has ended meanwhile, what comes begins with nothing. Should Synap go away right
  // after, the session is lost under an id that nobody knows: the safe side.
  async #move(id, deadline) {
    const moved = await this.#options.synap.rename(keyOf(this.#id), keyOf(id), deadline);
    this.#id = id;
    if (!moved || !(await this.#read(deadline))) this.#forget();
  }

  #forget() {
    this.#id = null;
    this.#version = NO_KEY;
    this.#text = '{}';
  }

  #deadline() {
    return AbortSignal.timeout(this.#options.timeoutMs);
  }

  #checkUnanswered() {
    if (this.#options.res.headersSent) throw new Error('change the session before you answer');
  }

  // Tell the browser the id, or to forget it; in place of what this answer told it before.
  #sendCookie() {
    const { res, cookie, secure, ttlS } = this.#options;
    this.#withdrawCookie();
    res.set('Cache-Control', 'no-store');
    const maxAge = this.#id === null ? 0 : ttlS * 1000;
    res.cookie(cookie, this.#id ?? '', { maxAge, httpOnly: true, secure, sameSite: 'lax', path: '/' });
  }

  // Say nothing of the id: the browser may have got another one meanwhile, by a login in another request.
  #withdrawCookie() {
    const { res, cookie } = this.#options;
    const others = [res.getHeader('Set-Cookie') ?? []].flat().filter((each) => !each.startsWith(`${cookie}=`));
    res.set('Set-Cookie', others);
  }
}

function newId() {
  return randomBytes(32).toString('base64url');
}

function keyOf(id) {
  return `session:${id}`;
}

// The value of a cookie that the browser sent; empty if there is none.
function cookieOf(req, name) {
  const pairs = (req.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
}
