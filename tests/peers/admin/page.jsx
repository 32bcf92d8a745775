// What react-admin's own tutorial begins with: guessed screens, nothing written for this server.
import { createRoot } from 'react-dom/client'
import { Admin, EditGuesser, ListGuesser, Resource, convertLegacyDataProvider } from 'react-admin'
import client from 'ra-jsonapi-client'

const jsonapi = client.default(`${window.PEERS_BASE}/api`, { total: 'total' })
// The client's errors have the whole document as their message, of which react-admin would show nothing: any application of the two needs this.
const provider = convertLegacyDataProvider((...call) =>
  jsonapi(...call).catch((error) => {
    error.message = error.message.errors?.map(({ detail }) => detail).join(' ') ?? error.message
    throw error
  }))
createRoot(document.getElementById('root')).render(
  <Admin dataProvider={provider} disableTelemetry>
    <Resource name="article" list={ListGuesser} edit={EditGuesser} />
  </Admin>,
)
