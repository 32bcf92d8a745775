// The base URL is written into the client: orval's fetch client takes none when it's called.
export default {
  rowhouse: {
    input: { target: process.env.DOCUMENT },
    output: { target: 'made/orval/client.ts', client: 'fetch', mode: 'single', baseUrl: process.env.PEERS_BASE },
  },
}
