// openapi-typescript makes types of the document, openapi-fetch checks calls by them.
// Each @ts-expect-error is a mistake that the types have to catch: were they loose, tsc would complain of the comment.
import createClient from 'openapi-fetch'
import type { paths } from './made/openapi-typescript'
import { account, assert, base, run, there } from './common'

run(async () => {
  const guest = createClient<paths>({ baseUrl: base })
  const entered = await guest.POST('/action/user_account/signin', { body: account })
  let token = ''
  // The directives' union is narrowed by what they are called.
  for (const d of there(entered.data, entered.error)) if (d.ResponseType === 'client.store.set' && d.Attributes.key === 'token') token = d.Attributes.value
  const refused = await guest.POST('/action/user_account/signin', { body: { ...account, password: 'wrong' } })
  const said = there(refused.error, refused.data)[0]
  assert(said?.ResponseType === 'client.notify' && said.Attributes.faults?.[0]?.code === 'wrong-password')
  // @ts-expect-error a required input
  void (() => guest.POST('/action/user_account/signin', { body: { email: account.email } }))

  const api = createClient<paths>({ baseUrl: base, headers: { Authorization: `Bearer ${token}` } })
  const title = 'Of openapi-fetch'
  const make = async (words: number) => {
    const { data, error } = await api.POST('/api/article', { body: { data: { type: 'article', attributes: { title, words, status: 'draft' } } } })
    return there(there(data, error).data, data) // who makes a row need not be who may read it
  }
  const [one, two] = [await make(1), await make(2)]
  const tagged = await api.POST('/api/tag', { body: { data: { type: 'tag', attributes: { name: title } } } })
  const tag = there(there(tagged.data, tagged.error).data, tagged)
  void (() => [
    // @ts-expect-error no such field
    api.POST('/api/article', { body: { data: { type: 'article', attributes: { title, nonsense: 1 } } } }),
    // @ts-expect-error words are a number
    api.POST('/api/article', { body: { data: { type: 'article', attributes: { title, words: 'many' } } } }),
    // @ts-expect-error the title is required
    api.POST('/api/article', { body: { data: { type: 'article', attributes: {} } } }),
    // @ts-expect-error another type
    api.POST('/api/article', { body: { data: { type: 'tag', attributes: { title } } } }),
    // @ts-expect-error not one of its states
    api.POST('/api/article', { body: { data: { type: 'article', attributes: { title, status: 'nonsense' } } } }),
  ])

  const listed = await api.GET('/api/article', { params: { query: { 'filter[title]': title, sort: ['-words', 'title'], 'page[size]': 1, include: ['tags', 'owner'] } } })
  const page = there(listed.data, listed.error)
  const words: (number | null | undefined)[] = page.data.map((a) => a.attributes.words)
  assert.deepEqual(words, [2])
  const next: string | null | undefined = page.links?.next
  assert(next?.startsWith('/api/article?'))
  void (() => [
    // @ts-expect-error nothing to sort by
    api.GET('/api/article', { params: { query: { sort: ['nonsense'] } } }),
    // @ts-expect-error a size is a number
    api.GET('/api/article', { params: { query: { 'page[size]': 'large' } } }),
    // @ts-expect-error nothing to filter by
    api.GET('/api/article', { params: { query: { 'filter[nonsense]': 'x' } } }),
  ])

  const at = { params: { path: { id: one.id } } }
  const changed = await api.PATCH('/api/article/{id}', { ...at, body: { data: { type: 'article', id: one.id, attributes: { words: 3 } } } })
  assert.deepEqual([changed.data?.data?.attributes.words, changed.data?.data?.attributes.title], [3, title])
  // @ts-expect-error a field that only the server writes
  void (() => api.PATCH('/api/article/{id}', { ...at, body: { data: { type: 'article', id: one.id, attributes: { version: 3 } } } }))

  const tags = { params: { path: { id: one.id, relation: 'tags' as const } } }
  const link = { ...tags, body: { data: [{ type: 'tag' as const, id: tag.id }] } }
  assert.equal((await api.POST('/api/article/{id}/relationships/{relation}', link)).response.status, 204)
  const linked = async () => there((await api.GET('/api/article/{id}/relationships/{relation}', tags)).data, 'linkage').data
  assert.deepEqual(await linked(), [{ type: 'tag', id: tag.id }])
  const related = there((await api.GET('/api/article/{id}/{relation}', tags)).data, 'related').data
  assert(Array.isArray(related) && related[0]?.type === 'tag')
  const name: string | undefined = related[0].attributes.name
  assert.equal(name, title)
  const read = await api.GET('/api/article/{id}', { params: { path: { id: one.id }, query: { include: ['tags'] } } })
  for (const row of there(read.data?.included, read.error)) if (row.type === 'tag') assert.equal(row.attributes.name, title)
  assert.equal(read.data?.data.relationships.tags?.data?.[0]?.id, tag.id)
  // @ts-expect-error of no article
  void read.data?.data.attributes.nonsense
  assert.equal((await api.DELETE('/api/article/{id}/relationships/{relation}', link)).response.status, 204)
  assert.deepEqual(await linked(), [])
  const section = { params: { path: { id: one.id, relation: 'section' as const } }, body: { data: null } }
  assert.equal((await api.PATCH('/api/article/{id}/relationships/{relation}', section)).response.status, 204)
  void (() => [
    // @ts-expect-error it has one section, so none can be added
    api.POST('/api/article/{id}/relationships/{relation}', { params: { path: { id: one.id, relation: 'section' } }, body: link.body }),
    // @ts-expect-error nothing that an article is linked to
    api.POST('/api/article/{id}/relationships/{relation}', { ...tags, body: { data: [{ type: 'world', id: tag.id }] } }),
  ])

  const wrong = await api.POST('/api/article', { body: { data: { type: 'article', attributes: { title, words: -1 } } } })
  assert.equal(wrong.response.status, 422)
  const pointer: string | undefined = wrong.error?.errors[0]?.source?.pointer
  assert.equal(pointer, '/data/attributes/words')
  // @ts-expect-error errors have no such member
  void wrong.error?.errors[0]?.nonsense

  assert.equal((await api.DELETE('/api/tag/{id}', { params: { path: { id: tag.id } } })).response.status, 204)
  for (const { id } of [one, two]) assert.equal((await api.DELETE('/api/article/{id}', { params: { path: { id } } })).response.status, 204)
  const gone = await api.GET('/api/article/{id}', at)
  assert.deepEqual([gone.response.status, gone.error?.errors[0]?.status], [404, '404'])
})
