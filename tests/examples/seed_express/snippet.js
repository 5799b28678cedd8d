const express = require('express');
const axios = require('axios');
const app = express();

const SYNAP_URL = 'http://localhost:15500';

// Store session
async function storeSession(sessionId, sessionData) {
  await axios.post(`${SYNAP_URL}/kv/set`, {
    key: `session:${sessionId}`,
    value: JSON.stringify(sessionData),
    ttl: 3600  // 1 hour
  });
}

// Retrieve session
async function getSession(sessionId) {
  const response = await axios.get(`${SYNAP_URL}/kv/get/session:${sessionId}`);
  return response.data ? JSON.parse(response.data) : null;
}

// Middleware
app.use(async (req, res, next) => {
  const sessionId = req.cookies.sessionId;
  if (sessionId) {
    req.session = await getSession(sessionId) || {};
  } else {
    req.session = {};
  }
  next();
});

// Save session
app.use(async (req, res, next) => {
  res.on('finish', async () => {
    if (req.session && Object.keys(req.session).length > 0) {
      const sessionId = req.cookies.sessionId || generateSessionId();
      await storeSession(sessionId, req.session);
      res.cookie('sessionId', sessionId, { maxAge: 3600000 });
    }
  });
  next();
});
