// jsona: only makes and takes apart documents; what goes over the wire is Node's own fetch.
import { Jsona } from 'jsona'
import { api, assert, at, bearer, ids, media, nobody, open, proves, refused, root, row, user } from './common.mjs'

const jsona = new Jsona()
const ask = async (method, path, body, token = user) => {
  const answer = await fetch(path.startsWith('http') ? path : `${api}/${path}`, {
    method,
    headers: { Accept: media, ...(body !== undefined && { 'Content-Type': media }), ...(token && bearer(token)) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  if (text) assert.equal(answer.headers.get('content-type'), media)
  const document = text ? JSON.parse(text) : null
  if (!answer.ok) throw document.errors
  return { status: answer.status, document, data: document && jsona.deserialize(document) }
}
const write = (method, path, stuff, token) =>
  ask(method, path, jsona.serialize({ stuff, includeNames: [] }), token)

const red = (await write('POST', 'tag', { type: 'tag', name: 'jsona red' })).data
const blue = (await write('POST', 'tag', { type: 'tag', name: 'jsona blue' })).data
const section = (await write('POST', 'section', { type: 'section', name: 'jsona section' }, root)).data
const bare = ({ type, id }) => ({ type, id })
let article

await proves('creates, with relationships', async () => {
  const made = await write('POST', 'article', { type: 'article', title: 'Of jsona', words: 7, permission: open, tags: [red], relationshipNames: ['tags'] })
  article = made.data
  assert.deepEqual([made.status, article.title], [201, 'Of jsona'])
  assert.deepEqual(ids((await row(`article/${article.id}/relationships/tags`)).data), [red.id])
})

await proves('includes, nested', async () => {
  const comment = (await write('POST', 'comment', { type: 'comment', text: 'Well', rating: 9, article, relationshipNames: ['article'] })).data
  const { data } = await ask('GET', `article/${article.id}?include=comments.article,tags`)
  assert.deepEqual(data.tags.map((t) => t.name), ['jsona red'])
  assert.deepEqual(data.comments.map((c) => [c.id, c.text]), [[comment.id, 'Well']])
  assert.equal(data.comments[0].article.title, 'Of jsona')
})

await proves('updates attributes and relationships in one', async () => {
  const { data } = await write('PATCH', `article/${article.id}`, { ...bare(article), status: 'review', section, tags: [blue], relationshipNames: ['section', 'tags'] })
  assert.deepEqual([data.status, data.title, data.words], ['review', 'Of jsona', 7])
  assert.equal((await row(`article/${article.id}/relationships/section`)).data.id, section.id)
  assert.deepEqual(ids((await row(`article/${article.id}/relationships/tags`)).data), [blue.id])
})

await proves('changes a to-one at its endpoint', async () => {
  const path = `article/${article.id}/relationships/section`
  await ask('PATCH', path, { data: null })
  assert.equal((await ask('GET', path)).document.data, null)
  await write('PATCH', path, bare(section))
  assert.equal((await ask('GET', path)).data.id, section.id)
})

await proves('adds to, takes from and replaces a to-many at its endpoint', async () => {
  const path = `article/${article.id}/relationships/tags`
  await write('POST', path, [bare(red)])
  assert.deepEqual(ids((await ask('GET', path)).data), ids([red, blue]))
  await write('DELETE', path, [bare(blue)])
  assert.deepEqual(ids((await ask('GET', path)).data), [red.id])
  await write('PATCH', path, [bare(blue)])
  assert.deepEqual(ids((await ask('GET', path)).data), [blue.id])
})

await proves('pages by links, 25 and the rest, and back', async () => {
  for (let n = 0; n < 27; n++) await write('POST', 'article', { type: 'article', title: `jsona page ${n}`, permission: open })
  let page = await ask('GET', 'article?filter[title][contains]=jsona%20page', undefined, null)
  const sizes = []
  const seen = new Set()
  for (;;) {
    sizes.push(page.data.length)
    page.data.forEach(({ title }) => seen.add(title))
    if (!page.document.links.next) break
    page = await ask('GET', at(page.document.links.next), undefined, null)
  }
  assert.deepEqual([sizes, seen.size], [[25, 2], 27])
  page = await ask('GET', at(page.document.links.prev), undefined, null)
  assert.equal(page.data.length, 25)
})

await proves('errors: 401, 404, 422 with a pointer', async () => {
  assert.equal((await refused(ask('POST', 'article', { data: { type: 'article', attributes: { title: 'No' } } }, null)))[0].status, '401')
  assert.equal((await refused(ask('GET', `article/${nobody}`)))[0].status, '404')
  const wrong = await refused(write('POST', 'article', { type: 'article', title: 'No', words: -1 }))
  assert.deepEqual(wrong.map((e) => [e.status, e.source.pointer]), [['422', '/data/attributes/words']])
})

await proves('deletes', async () => {
  assert.equal((await ask('DELETE', `article/${article.id}`)).status, 204)
  assert.equal((await row(`article/${article.id}`)).status, 404)
})
