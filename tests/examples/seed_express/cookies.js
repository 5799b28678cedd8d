// The frame of snippet.js, first part: what it takes for granted where its middleware begins.
app.use(require('cookie-parser')());

