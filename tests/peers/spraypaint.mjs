// spraypaint: models that track what changed. It was made for one kind of server: with what it links it sends members that
// JSON:API doesn't know (`method` in identifiers, `included` in requests), which a server MUST ignore; and of errors it
// wants `meta`, so those are read by a hook of its, before it does.
import spraypaint from 'spraypaint'
import { assert, at, base, ids, nobody, open, proves, refused, root, row, user } from './common.mjs'

const { SpraypaintBase, attr, belongsTo, hasMany } = spraypaint
let last // errors of the latest answer
const models = (token) => {
  const Base = SpraypaintBase.extend({ static: { baseUrl: base, apiNamespace: '/api', jwtStorage: false, keyCase: { server: 'snake', client: 'snake' } } })
  Base.setAsBase()
  Base.generateAuthHeader = (jwt) => `Bearer ${jwt}`
  Base.initializeCredentialStorage() // else all bases share one token
  if (token) Base.jwt = token
  Base.middlewareStack.afterFilters.push((response, json) => { last = json?.errors })
  const kind = (name, attrs) => Base.extend({ static: { jsonapiType: name, endpoint: `/${name}` }, attrs })
  return {
    Tag: kind('tag', { name: attr() }),
    Section: kind('section', { name: attr() }),
    Comment: kind('comment', { text: attr(), rating: attr(), article: belongsTo() }),
    Article: kind('article', { title: attr(), words: attr(), status: attr(), permission: attr(), section: belongsTo(), tags: hasMany(), comments: hasMany() }),
  }
}
const [mine, roots, guest] = [models(user), models(root), models()]
const save = async (record, options) => {
  assert(await record.save(options), JSON.stringify(last))
  return record
}

const red = await save(new mine.Tag({ name: 'spraypaint red' }))
const blue = await save(new mine.Tag({ name: 'spraypaint blue' }))
const section = await save(new roots.Section({ name: 'spraypaint section' }))
let article

await proves('creates, with relationships', async () => {
  article = await save(new mine.Article({ title: 'Of spraypaint', words: 7, permission: open, tags: [red] }), { with: 'tags.id' })
  assert(article.isPersisted && article.id)
  assert.deepEqual(ids((await row(`article/${article.id}/relationships/tags`)).data), [red.id])
})

await proves('includes, nested', async () => {
  await save(new mine.Comment({ text: 'Well', rating: 9, article }), { with: 'article.id' })
  const { data } = await mine.Article.includes({ comments: 'article', tags: {} }).find(article.id)
  assert.deepEqual(data.tags.map((t) => t.name), ['spraypaint red'])
  assert.deepEqual(data.comments.map((c) => [c.text, c.article.title]), [['Well', 'Of spraypaint']])
})

await proves('updates attributes, a to-one and a to-many in one', async () => {
  const { data } = await mine.Article.find(article.id)
  data.status = 'review'
  data.section = new mine.Section({ id: section.id })
  data.section.isPersisted = true
  data.tags = [blue]
  await save(data, { with: ['section.id', 'tags.id'] })
  const now = await row(`article/${article.id}`)
  assert.deepEqual([now.data.attributes.status, now.data.attributes.title, now.data.attributes.words], ['review', 'Of spraypaint', 7])
  assert.equal(now.data.relationships.section.data.id, section.id)
  assert.deepEqual(ids((await row(`article/${article.id}/relationships/tags`)).data), [blue.id])
})

await proves('pages by links, 25 and the rest', async () => {
  for (let n = 0; n < 27; n++) await save(new mine.Article({ title: `spraypaint page ${n}`, permission: open }))
  const all = guest.Article.where({ title: { contains: 'spraypaint page' } })
  let page = await all.all()
  const sizes = []
  const seen = new Set()
  for (;;) {
    sizes.push(page.data.length)
    page.data.forEach(({ title }) => seen.add(title))
    if (!page.raw.links.next) break
    // It builds every URL itself: the link's own parameters are handed to it.
    page = await guest.Article.extraParams(Object.fromEntries(new URL(at(page.raw.links.next)).searchParams)).all()
  }
  assert.deepEqual([sizes, seen.size], [[25, 2], 27])
})

await proves('errors: 401, 404, 422 with a pointer', async () => {
  assert.equal((await refused(new guest.Article({ title: 'No' }).save())).response.status, 401)
  assert.equal((await refused(mine.Article.find(nobody))).response.status, 404)
  assert.equal(await new mine.Article({ title: 'No', words: -1 }).save().catch(() => false), false)
  assert.deepEqual(last.map((e) => [e.status, e.source.pointer]), [['422', '/data/attributes/words']])
})

await proves('deletes', async () => {
  const { data } = await mine.Article.find(article.id)
  assert.equal(await data.destroy(), true)
  assert.equal((await row(`article/${article.id}`)).status, 404)
})
