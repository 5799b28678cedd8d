// An application whose requests wait between reading their session and changing it, until another one says so.

import express from 'express';

import { Synap } from './synap.js';
import { synapSession } from './synap-session.js';

const app = express();
const waiting = [];

// In front of the sessions: these two need none.
app.get('/waiting', (req, res) => {
  res.json(waiting.length);
});

app.post('/go', (req, res) => {
  waiting.splice(0).forEach((go) => go());
  res.json(null);
});

app.use(synapSession({ synap: new Synap(process.env.SYNAP_URL), secure: false }));

app.get('/', (req, res) => {
  res.json(req.session.data);
});

app.post('/:when/:method/:name', async (req, res) => {
  if (req.params.when === 'wait') await new Promise((go) => waiting.push(go));
  await req.session[req.params.method]((data) => {
    data[req.params.name] = true;
  });
  res.json(req.session.data);
});

app.post('/end', async (req, res) => {
  await req.session.end();
  res.json(req.session.data);
});

app.post('/read-only', (req, res) => {
  req.session.data.name = true;
});

app.post('/too-late', async (req, res) => {
  res.flushHeaders();
  const refused = await req.session.update((data) => (data.name = true)).catch((error) => error.message);
  res.end(refused);
});

app.listen(process.env.SOCKET, () => console.log(`serves ${process.env.SOCKET}`));
