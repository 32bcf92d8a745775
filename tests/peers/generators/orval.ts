// orval writes a function for each operation, whose answer is narrowed by `status`. Of the comments @ts-expect-error, see openapi-fetch.ts.
import { actUserAccountSignin, addArticle, changeArticle, createArticle, createTag, deleteArticle, deleteTag, getArticle, linkageArticle, listArticle, relatedArticle, removeArticle, replaceArticle } from './made/orval/client'
import { account, assert, run, there } from './common'

run(async () => {
  const entered = await actUserAccountSignin(account)
  assert(entered.status === 200)
  let token = ''
  for (const d of entered.data) if (d.ResponseType === 'client.store.set' && d.Attributes.key === 'token') token = d.Attributes.value
  const refused = await actUserAccountSignin({ ...account, password: 'wrong' })
  assert(refused.status !== 200)
  const said = refused.data[0]
  assert(said?.ResponseType === 'client.notify' && said.Attributes.faults?.[0]?.code === 'wrong-password')
  // @ts-expect-error a required input
  void (() => actUserAccountSignin({ email: account.email }))

  const mine = { headers: { Authorization: `Bearer ${token}` } }
  const title = 'Of orval'
  const make = async (words: number) => {
    const made = await createArticle({ data: { type: 'article', attributes: { title, words, status: 'draft' } } }, mine)
    assert(made.status === 201)
    return there(made.data.data, made) // who makes a row need not be who may read it
  }
  const [one, two] = [await make(1), await make(2)]
  const tagged = await createTag({ data: { type: 'tag', attributes: { name: title } } }, mine)
  assert(tagged.status === 201)
  const tag = there(tagged.data.data, tagged)
  void (() => [
    // @ts-expect-error no such field
    createArticle({ data: { type: 'article', attributes: { title, nonsense: 1 } } }),
    // @ts-expect-error words are a number
    createArticle({ data: { type: 'article', attributes: { title, words: 'many' } } }),
    // @ts-expect-error the title is required
    createArticle({ data: { type: 'article', attributes: {} } }),
    // @ts-expect-error another type
    createArticle({ data: { type: 'tag', attributes: { title } } }),
    // @ts-expect-error not one of its states
    createArticle({ data: { type: 'article', attributes: { title, status: 'nonsense' } } }),
  ])

  const listed = await listArticle({ 'filter[title]': title, sort: ['-words', 'title'], 'page[size]': 1, include: ['tags', 'owner'] }, mine)
  assert(listed.status === 200)
  const words: (number | null | undefined)[] = listed.data.data.map((a) => a.attributes.words)
  assert.deepEqual(words, [2])
  const next: string | null | undefined = listed.data.links?.next
  assert(next?.startsWith('/api/article?'))
  void (() => [
    // @ts-expect-error nothing to sort by
    listArticle({ sort: ['nonsense'] }),
    // @ts-expect-error a size is a number
    listArticle({ 'page[size]': 'large' }),
    // @ts-expect-error nothing to filter by
    listArticle({ 'filter[nonsense]': 'x' }),
  ])

  const changed = await changeArticle(one.id, { data: { type: 'article', id: one.id, attributes: { words: 3 } } }, mine)
  assert(changed.status === 200)
  assert.deepEqual([changed.data.data?.attributes.words, changed.data.data?.attributes.title], [3, title])
  // @ts-expect-error a field that only the server writes
  void (() => changeArticle(one.id, { data: { type: 'article', id: one.id, attributes: { version: 3 } } }))

  const link = { data: [{ type: 'tag' as const, id: tag.id }] }
  assert.equal((await addArticle(one.id, 'tags', link, mine)).status, 204)
  const linked = async () => {
    const answer = await linkageArticle(one.id, 'tags', mine)
    assert(answer.status === 200)
    return answer.data.data
  }
  assert.deepEqual(await linked(), [{ type: 'tag', id: tag.id }])
  const related = await relatedArticle(one.id, 'tags', {}, mine)
  assert(related.status === 200 && Array.isArray(related.data.data) && related.data.data[0]?.type === 'tag')
  const name: string | undefined = related.data.data[0].attributes.name
  assert.equal(name, title)
  const read = await getArticle(one.id, { include: ['tags'] }, mine)
  assert(read.status === 200 && read.data.included?.length === 1)
  for (const row of read.data.included) if (row.type === 'tag') assert.equal(row.attributes.name, title)
  assert.equal(read.data.data.relationships.tags?.data?.[0]?.id, tag.id)
  // @ts-expect-error of no article
  void read.data.data.attributes.nonsense
  assert.equal((await removeArticle(one.id, 'tags', link, mine)).status, 204)
  assert.deepEqual(await linked(), [])
  assert.equal((await replaceArticle(one.id, 'section', { data: null }, mine)).status, 204)
  void (() => [
    // @ts-expect-error it has one section, so none can be added
    addArticle(one.id, 'section', link),
    // @ts-expect-error nothing that an article is linked to
    addArticle(one.id, 'tags', { data: [{ type: 'world', id: tag.id }] }),
  ])

  const wrong = await createArticle({ data: { type: 'article', attributes: { title, words: -1 } } }, mine)
  assert(wrong.status === 422)
  const pointer: string | undefined = wrong.data.errors[0]?.source?.pointer
  assert.equal(pointer, '/data/attributes/words')
  // @ts-expect-error errors have no such member
  void wrong.data.errors[0]?.nonsense

  assert.equal((await deleteTag(tag.id, mine)).status, 204)
  for (const { id } of [one, two]) assert.equal((await deleteArticle(id, mine)).status, 204)
  const gone = await getArticle(one.id, {}, mine)
  assert(gone.status === 404 && gone.data.errors[0]?.status === '404')
})
