// The calls to Synap's REST API that sessions need, with the `fetch` that Node brings along.
//
// Each takes an AbortSignal, the deadline of what it is a part of. Where Synap is away, slow or refuses, each throws a
// StoreError; nothing is tried again here, because whoever calls knows whether that is safe.

export class StoreError extends Error {
  // What Express answers with where nobody catches it.
  status = 503;
  headers = { 'Retry-After': '1' };
}

export class Synap {
  #url;
  #headers;

  constructor(url, apiKey) {
    this.#url = url.replace(/\/+$/, '');
    this.#headers = apiKey ? { Authorization: `Bearer ${apiKey}` } : {};
  }

  // The text under the key and its version, or null; being read, it lives for another `ttlS` seconds.
  async get(key, ttlS, deadline) {
    const { response, body } = await this.#call('GET', `/kv/get/${encodeURIComponent(key)}?touch=${ttlS}`, deadline);
    if (body === null) return null;
    if (response.status !== 200 || typeof body !== 'string') throw new StoreError('what is stored is no session');
    // The ETag is the version in quotes. A proxy that compresses may have marked it as weak.
    return { text: body, version: Number(response.headers.get('ETag').replace(/^W\//, '').slice(1, -1)) };
  }

  // Store the text if the key is still at this version (0: if there is no such key); the new version, or null.
  async set(key, text, ttlS, version, deadline) {
    const fields = { key, value: text, ttl: ttlS, if_version: version };
    const { response, body } = await this.#call('POST', '/kv/set', deadline, fields, [412]);
    return response.status === 412 ? null : body.version;
  }

  // Move what is under a key to another one, with the time it has left; false where there is nothing.
  async rename(key, destination, deadline) {
    const path = `/key/${encodeURIComponent(key)}/rename`;
    const { response } = await this.#call('POST', path, deadline, { destination }, [404]);
    return response.status !== 404;
  }

  async delete(key, deadline) {
    await this.#call('DELETE', `/kv/del/${encodeURIComponent(key)}`, deadline);
  }

  async #call(method, path, deadline, fields, expected = []) {
    const headers = { ...this.#headers, ...(fields && { 'Content-Type': 'application/json' }) };
    let response;
    let body;
    try {
      response = await fetch(this.#url + path, { method, headers, body: JSON.stringify(fields), signal: deadline });
      body = await response.json();
    } catch (cause) {
      throw new StoreError('the session store does not answer', { cause });
    }
    if (!response.ok && !expected.includes(response.status)) {
      throw new StoreError('the session store refused', { cause: new Error(`${response.status}: ${body?.error}`) });
    }
    return { response, body };
  }
}
