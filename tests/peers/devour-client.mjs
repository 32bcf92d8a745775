// devour-client: models with relationships, a builder that knows relationship endpoints.
import Devour from 'devour-client'
import { api, assert, at, ids, nobody, open, proves, refused, root, row, user } from './common.mjs'

const client = (token) => {
  const it = new Devour({ apiUrl: api, pluralize: false, logger: false, errorBuilder: (e) => e, ...(token && { bearer: token }) })
  it.define('article', {
    title: '', slug: '', words: null, status: '', permission: null,
    section: { jsonApi: 'hasOne', type: 'section' }, tags: { jsonApi: 'hasMany', type: 'tag' }, comments: { jsonApi: 'hasMany', type: 'comment' },
  })
  it.define('comment', { text: '', rating: null, article: { jsonApi: 'hasOne', type: 'article' } })
  it.define('tag', { name: '' })
  it.define('section', { name: '' })
  return it
}
const [mine, roots, guest] = [client(user), client(root), client()]

const red = (await mine.create('tag', { name: 'devour red' })).data
const blue = (await mine.create('tag', { name: 'devour blue' })).data
const section = (await roots.create('section', { name: 'devour section' })).data
let article

await proves('creates, with relationships', async () => {
  article = (await mine.create('article', { title: 'Of devour', words: 7, permission: open, tags: [{ id: red.id }] })).data
  assert.equal(article.title, 'Of devour')
  assert.deepEqual(ids((await row(`article/${article.id}/relationships/tags`)).data), [red.id])
})

await proves('includes, nested', async () => {
  const comment = (await mine.create('comment', { text: 'Well', rating: 9, article: { id: article.id } })).data
  const { data } = await mine.find('article', article.id, { include: 'comments.article,tags' })
  assert.deepEqual(data.tags.map((t) => t.name), ['devour red'])
  assert.deepEqual(data.comments.map((c) => [c.id, c.text]), [[comment.id, 'Well']])
  // It looks for resources in `included` only, where the primary one must not be again: so this is the identifier.
  assert.deepEqual(data.comments[0].article, { type: 'article', id: article.id })
})

await proves('updates attributes and relationships in one', async () => {
  const { data } = await mine.update('article', { id: article.id, status: 'review', section: { id: section.id }, tags: [{ id: blue.id }] })
  assert.deepEqual([data.status, data.title, data.words], ['review', 'Of devour', 7])
  assert.equal((await row(`article/${article.id}/relationships/section`)).data.id, section.id)
  assert.deepEqual(ids((await row(`article/${article.id}/relationships/tags`)).data), [blue.id])
})

await proves('changes a to-one at its endpoint', async () => {
  const there = () => mine.one('article', article.id).relationships('section')
  await there().patch(null)
  assert.equal((await row(`article/${article.id}/relationships/section`)).data, null)
  await there().patch({ id: section.id })
  assert.equal((await there().get()).data.id, section.id)
})

await proves('adds to, takes from and replaces a to-many at its endpoint', async () => {
  const there = () => mine.one('article', article.id).relationships('tags')
  await there().post([{ id: red.id }])
  assert.deepEqual(ids((await there().get()).data), ids([red, blue]))
  await there().destroy([{ type: 'tag', id: blue.id }])
  assert.deepEqual(ids((await there().get()).data), [red.id])
  await there().patch([{ id: blue.id }])
  assert.deepEqual(ids((await there().get()).data), [blue.id])
})

await proves('pages by links, 25 and the rest', async () => {
  for (let n = 0; n < 27; n++) await mine.create('article', { title: `devour page ${n}`, permission: open })
  let page = await guest.findAll('article', { filter: { title: { contains: 'devour page' } } })
  const sizes = []
  const seen = new Set()
  for (;;) {
    sizes.push(page.data.length)
    page.data.forEach(({ title }) => seen.add(title))
    if (!page.links.next) break
    page = await guest.request(at(page.links.next))
  }
  assert.deepEqual([sizes, seen.size], [[25, 2], 27])
})

await proves('errors: 401, 404, 422 with a pointer', async () => {
  assert.equal((await refused(guest.create('article', { title: 'No' })))[0].status, '401')
  assert.equal((await refused(mine.find('article', nobody)))[0].status, '404')
  const wrong = await refused(mine.create('article', { title: 'No', words: -1 }))
  assert.deepEqual(Object.keys(wrong), ['words'], 'it names each error by the end of its pointer')
  assert.deepEqual([wrong.words.status, wrong.words.source.pointer], ['422', '/data/attributes/words'])
})

await proves('deletes', async () => {
  assert.equal((await row(`article/${article.id}`)).status, 200)
  await mine.destroy('article', article.id)
  assert.equal((await row(`article/${article.id}`)).status, 404)
})
