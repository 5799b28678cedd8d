// Log in, count, log out: an application as small as one with sessions can be.
//
// Its environment: PORT (3000), SYNAP_URL, SYNAP_API_KEY, SESSION_TTL_S (3600), and COOKIE_SECURE=0 for clients that do
// not send a Secure cookie to http://localhost, as Safari.

import express from 'express';

import { Synap } from './synap.js';
import { synapSession } from './synap-session.js';

const { PORT = '3000', SYNAP_URL = 'http://localhost:15500', SYNAP_API_KEY, SESSION_TTL_S = '3600' } = process.env;

// A real application has a database, with hashes of passwords in it.
const PASSWORDS = new Map([
  ['ada', 'lovelace'],
  ['grace', 'hopper'],
]);

const app = express();
app.disable('x-powered-by');
app.use(express.json());
app.use(
  synapSession({
    synap: new Synap(SYNAP_URL, SYNAP_API_KEY),
    ttlS: Number(SESSION_TTL_S),
    secure: process.env.COOKIE_SECURE !== '0',
  }),
);

function state({ user = null, count = 0 }) {
  return { user, count };
}

app.get('/', (req, res) => {
  res.json(state(req.session.data));
});

app.post('/login', async (req, res) => {
  const { user, password } = req.body ?? {};
  if (!PASSWORDS.has(user) || PASSWORDS.get(user) !== password) {
    res.status(401).json({ error: 'user and password do not match' });
    return;
  }
  await req.session.renew((data) => {
    data.user = user;
  });
  res.json(state(req.session.data));
});

app.post('/count', async (req, res) => {
  await req.session.update((data) => {
    data.count = (data.count ?? 0) + 1;
  });
  res.json(state(req.session.data));
});

app.post('/logout', async (req, res) => {
  await req.session.end();
  res.json(state(req.session.data));
});

// Four parameters tell Express that this is for errors.
app.use((error, req, res, _next) => {
  const status = error.status ?? 500;
  if (status >= 500) console.error(error);
  res.status(status).set(error.headers ?? {});
  res.json({ error: status === 500 ? 'an error inside the application' : error.message });
});

const server = app.listen(Number(PORT), '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`serves http://127.0.0.1:${server.address().port}`);
});
