// kitsu: sends, and takes apart, whole documents; relationship endpoints through its `request`.
import Kitsu from 'kitsu'
import { api, assert, at, bearer, ids, nobody, open, proves, refused, root, row, user } from './common.mjs'

const like = { baseURL: api, pluralize: false, camelCaseTypes: false, resourceCase: 'none' }
const mine = new Kitsu({ ...like, headers: bearer(user) })
const roots = new Kitsu({ ...like, headers: bearer(root) })
const guest = new Kitsu(like)

const [red, blue] = (await Promise.all(['kitsu red', 'kitsu blue'].map((name) => mine.create('tag', { name })))).map((r) => r.data)
const section = (await roots.create('section', { name: 'kitsu section' })).data
let article

await proves('creates, with relationships', async () => {
  const made = await mine.create('article', { title: 'Of kitsu', words: 7, permission: open, tags: { data: [{ type: 'tag', id: red.id }] } })
  assert.equal(made.status, 201)
  article = made.data
  assert.equal(article.title, 'Of kitsu')
  assert.equal(new URL(made.headers.location, api).pathname, `/api/article/${article.id}`)
  assert.deepEqual(ids((await row(`article/${article.id}/relationships/tags`)).data), [red.id])
})

await proves('includes, nested', async () => {
  const comment = await mine.create('comment', { text: 'Well', rating: 9, article: { data: { type: 'article', id: article.id } } })
  const { data } = await mine.get(`article/${article.id}`, { params: { include: 'comments.article,tags' } })
  assert.deepEqual(data.tags.data.map((t) => t.name), ['kitsu red'])
  assert.deepEqual(data.comments.data.map((c) => [c.id, c.text]), [[comment.data.id, 'Well']])
  assert.equal(data.comments.data[0].article.data.id, article.id)
})

await proves('updates attributes and relationships in one', async () => {
  const { data } = await mine.update('article', { id: article.id, status: 'review', section: { data: { type: 'section', id: section.id } }, tags: { data: [{ type: 'tag', id: blue.id }] } })
  assert.deepEqual([data.status, data.title, data.words], ['review', 'Of kitsu', 7])
  assert.equal((await row(`article/${article.id}/relationships/section`)).data.id, section.id)
  assert.deepEqual(ids((await row(`article/${article.id}/relationships/tags`)).data), [blue.id])
})

await proves('changes a to-one at its endpoint', async () => {
  const url = `article/${article.id}/relationships/section`
  await mine.request({ method: 'PATCH', url, type: 'section', body: null })
  assert.equal((await mine.get(url)).data, null)
  await mine.request({ method: 'PATCH', url, type: 'section', body: { id: section.id } })
  assert.equal((await mine.get(url)).data.id, section.id)
})

await proves('adds to, and replaces, a to-many at its endpoint', async () => {
  const url = `article/${article.id}/relationships/tags`
  await mine.request({ method: 'POST', url, type: 'tag', body: [{ id: red.id }] })
  assert.deepEqual(ids((await mine.get(url)).data), ids([red, blue]))
  await mine.request({ method: 'PATCH', url, type: 'tag', body: [{ id: red.id }] })
  assert.deepEqual(ids((await mine.get(url)).data), [red.id])
})

await proves('pages by links, 25 and the rest', async () => {
  for (let n = 0; n < 27; n++) await mine.create('article', { title: `kitsu page ${n}`, permission: open })
  let page = await guest.get('article', { params: { filter: { title: { contains: 'kitsu page' } } } })
  const sizes = []
  const seen = new Set()
  for (;;) {
    sizes.push(page.data.length)
    page.data.forEach(({ title }) => seen.add(title))
    if (!page.links.next) break
    page = await guest.request({ url: at(page.links.next) })
  }
  assert.deepEqual([sizes, seen.size], [[25, 2], 27])
})

await proves('errors: 401, 404, 422 with a pointer', async () => {
  const shut = await refused(guest.create('article', { title: 'No' }))
  assert.deepEqual([shut.response.status, shut.errors[0].status], [401, '401'])
  assert.equal((await refused(mine.get(`article/${nobody}`))).errors[0].status, '404')
  const wrong = await refused(mine.create('article', { title: 'No', words: -1 }))
  assert.deepEqual(wrong.errors.map((e) => [e.status, e.source.pointer]), [['422', '/data/attributes/words']])
})

await proves('deletes', async () => {
  assert.equal((await row(`article/${article.id}`)).status, 200)
  await mine.delete('article', article.id)
  assert.equal((await row(`article/${article.id}`)).status, 404)
})
