// @hey-api/openapi-ts writes a function for each operation. Of the comments @ts-expect-error, see openapi-fetch.ts.
import { client } from './made/hey-api/client.gen'
import { actUserAccountSignin, addArticle, changeArticle, createArticle, createTag, deleteArticle, deleteTag, getArticle, linkageArticle, listArticle, relatedArticle, removeArticle, replaceArticle } from './made/hey-api/sdk.gen'
import { account, assert, base, run, there } from './common'

run(async () => {
  client.setConfig({ baseUrl: base })
  const entered = await actUserAccountSignin({ body: account })
  let token = ''
  for (const d of there(entered.data, entered.error)) if (d.ResponseType === 'client.store.set' && d.Attributes.key === 'token') token = d.Attributes.value
  const refused = await actUserAccountSignin({ body: { ...account, password: 'wrong' } })
  const said = there(refused.error, refused.data)[0]
  assert(said?.ResponseType === 'client.notify' && said.Attributes.faults?.[0]?.code === 'wrong-password')
  // @ts-expect-error a required input
  void (() => actUserAccountSignin({ body: { email: account.email } }))

  // The document says that the token is a bearer's.
  client.setConfig({ baseUrl: base, auth: token })
  const title = 'Of hey-api'
  const make = async (words: number) => {
    const { data, error } = await createArticle({ body: { data: { type: 'article', attributes: { title, words, status: 'draft' } } } })
    return there(there(data, error).data, data) // who makes a row need not be who may read it
  }
  const [one, two] = [await make(1), await make(2)]
  const tagged = await createTag({ body: { data: { type: 'tag', attributes: { name: title } } } })
  const tag = there(there(tagged.data, tagged.error).data, tagged)
  void (() => [
    // @ts-expect-error no such field
    createArticle({ body: { data: { type: 'article', attributes: { title, nonsense: 1 } } } }),
    // @ts-expect-error words are a number
    createArticle({ body: { data: { type: 'article', attributes: { title, words: 'many' } } } }),
    // @ts-expect-error the title is required
    createArticle({ body: { data: { type: 'article', attributes: {} } } }),
    // @ts-expect-error another type
    createArticle({ body: { data: { type: 'tag', attributes: { title } } } }),
    // @ts-expect-error not one of its states
    createArticle({ body: { data: { type: 'article', attributes: { title, status: 'nonsense' } } } }),
  ])

  const listed = await listArticle({ query: { 'filter[title]': title, sort: ['-words', 'title'], 'page[size]': 1, include: ['tags', 'owner'] } })
  const page = there(listed.data, listed.error)
  const words: (number | null | undefined)[] = page.data.map((a) => a.attributes.words)
  assert.deepEqual(words, [2])
  const next: string | null | undefined = page.links?.next
  assert(next?.startsWith('/api/article?'))
  void (() => [
    // @ts-expect-error nothing to sort by
    listArticle({ query: { sort: ['nonsense'] } }),
    // @ts-expect-error a size is a number
    listArticle({ query: { 'page[size]': 'large' } }),
    // @ts-expect-error nothing to filter by
    listArticle({ query: { 'filter[nonsense]': 'x' } }),
  ])

  const path = { id: one.id }
  const changed = await changeArticle({ path, body: { data: { type: 'article', id: one.id, attributes: { words: 3 } } } })
  assert.deepEqual([changed.data?.data?.attributes.words, changed.data?.data?.attributes.title], [3, title])
  // @ts-expect-error a field that only the server writes
  void (() => changeArticle({ path, body: { data: { type: 'article', id: one.id, attributes: { version: 3 } } } }))

  const tags = { path: { ...path, relation: 'tags' as const } }
  const link = { ...tags, body: { data: [{ type: 'tag' as const, id: tag.id }] } }
  assert.equal((await addArticle(link)).response?.status, 204)
  const linked = async () => there((await linkageArticle(tags)).data, 'linkage').data
  assert.deepEqual(await linked(), [{ type: 'tag', id: tag.id }])
  const related = there((await relatedArticle(tags)).data, 'related').data
  assert(Array.isArray(related) && related[0]?.type === 'tag')
  const name: string | undefined = related[0].attributes.name
  assert.equal(name, title)
  const read = await getArticle({ path, query: { include: ['tags'] } })
  for (const row of there(read.data?.included, read.error)) if (row.type === 'tag') assert.equal(row.attributes.name, title)
  assert.equal(read.data?.data.relationships.tags?.data?.[0]?.id, tag.id)
  // @ts-expect-error of no article
  void read.data?.data.attributes.nonsense
  assert.equal((await removeArticle(link)).response?.status, 204)
  assert.deepEqual(await linked(), [])
  assert.equal((await replaceArticle({ path: { ...path, relation: 'section' }, body: { data: null } })).response?.status, 204)
  void (() => [
    // @ts-expect-error it has one section, so none can be added
    addArticle({ path: { ...path, relation: 'section' }, body: link.body }),
    // @ts-expect-error nothing that an article is linked to
    addArticle({ ...tags, body: { data: [{ type: 'world', id: tag.id }] } }),
  ])

  const wrong = await createArticle({ body: { data: { type: 'article', attributes: { title, words: -1 } } } })
  assert.equal(wrong.response?.status, 422)
  const pointer: string | undefined = wrong.error?.errors[0]?.source?.pointer
  assert.equal(pointer, '/data/attributes/words')
  // @ts-expect-error errors have no such member
  void wrong.error?.errors[0]?.nonsense

  assert.equal((await deleteTag({ path: { id: tag.id } })).response?.status, 204)
  for (const { id } of [one, two]) assert.equal((await deleteArticle({ path: { id } })).response?.status, 204)
  const gone = await getArticle({ path })
  assert.deepEqual([gone.response?.status, gone.error?.errors[0]?.status], [404, '404'])
})
