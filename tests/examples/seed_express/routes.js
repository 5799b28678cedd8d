
// The frame of snippet.js, second part: what it leaves out behind it.
function generateSessionId() {
  return require('crypto').randomBytes(32).toString('base64url');
}

app.get('/', (req, res) => {
  res.json(req.session);
});

app.post('/set/:name/:value', (req, res) => {
  req.session[req.params.name] = req.params.value;
  res.json(req.session);
});

// A request that takes until another one says so.
const waiting = [];

app.post('/wait/:name/:value', (req, res) => {
  waiting.push(() => {
    req.session[req.params.name] = req.params.value;
    res.json(req.session);
  });
});

app.get('/waiting', (req, res) => {
  res.json(waiting.length);
});

app.post('/go', (req, res) => {
  waiting.splice(0).forEach((go) => go());
  res.json(null);
});

// What an application does at logout that uses no more than what is there.
app.post('/logout', async (req, res) => {
  await axios.delete(`${SYNAP_URL}/kv/del/session:${req.cookies.sessionId}`);
  req.session = {};
  res.json(null);
});

app.listen(process.env.SOCKET, () => console.log(`serves ${process.env.SOCKET}`));
