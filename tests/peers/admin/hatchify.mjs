// Hatchify's data source, unchanged: what its generated grids and forms call.
// Its own filter form speaks its back end's dialect ([$eq], [$ilike]); here filters are the strings that it passes on as they are.
import { belongsTo, enumerate, hasMany, integer, string } from '@hatchifyjs/core'
import hatchifyReactRest from '@hatchifyjs/react-rest'
import jsonapi from '@hatchifyjs/rest-client-jsonapi'
import { api, article, assert, done, fill, proves, refused, user } from './common.mjs'

// It has no word for a token: the application puts it into fetch.
const plain = globalThis.fetch
globalThis.fetch = (url, init = {}) => plain(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${user}` } })

const schemas = {
  Article: {
    name: 'Article',
    type: 'article',
    endpoint: 'article',
    attributes: {
      title: string({ required: true }),
      words: integer(),
      status: enumerate({ values: ['draft', 'review', 'published'] }),
      permission: integer(),
      version: integer(),
      created_at: string(), // its datetime() takes three digits of a second, no more: ours have six
    },
    relationships: { tags: hasMany('Tag'), comments: hasMany('Comment') },
  },
  Tag: { name: 'Tag', type: 'tag', endpoint: 'tag', attributes: { name: string() } },
  Comment: { name: 'Comment', type: 'comment', endpoint: 'comment', attributes: { text: string() }, relationships: { article: belongsTo('Article') } },
}
const { Article, Comment, Tag } = hatchifyReactRest(jsonapi(api, schemas))

const mark = `ha ${Date.now()}` // a second run on the same server has rows of its own
const mine = `filter[title][contains]=${mark}`
const words = (rows) => rows.map((row) => row.words)
const ids = await fill(Array.from({ length: 30 }, (_, n) => article({ title: `${mark} ${n}`, words: n, status: n % 3 ? 'draft' : 'review' })))

await proves('findAll with pages, sort and unpaginatedCount', async () => {
  const seen = []
  for (let number = 1; number <= 3; number += 1) {
    const [rows, { unpaginatedCount }] = await Article.findAll({ filter: mine, page: { number, size: 10 }, sort: ['-words'] })
    assert.equal(unpaginatedCount, 30)
    seen.push(...words(rows))
  }
  assert.deepEqual(seen, ids.map((_, n) => 29 - n))
  const [rows, { unpaginatedCount }] = await Article.findAll({ filter: mine, page: { number: 9, size: 10 } })
  assert.deepEqual([rows, unpaginatedCount], [[], 30])
})

await proves('filters', async () => {
  const count = async (filter) => (await Article.findAll({ filter, page: { number: 1, size: 5 } }))[1].unpaginatedCount
  assert.equal(await count(`filter[title]=${mark} 7`), 1)
  assert.equal(await count(`filter[title][icontains]=${mark.toUpperCase()}`), 30)
  assert.equal(await count(`${mine}&filter[status][]=review&filter[status][]=published`), 10)
  assert.equal(await count(`${mine}&filter[words][ge]=25`), 5)
})

await proves('several ids, as many as there are', async () => {
  // More than a page has by default: it asks for no size.
  const [rows] = await Article.findAll({ filter: ids.map((id) => `filter[id][]=${id}`).join('&') })
  assert.deepEqual(rows.map((row) => row.id).sort(), [...ids].sort())
})

let row
let tag
await proves('createOne, with relationships', async () => {
  tag = await Tag.createOne({ name: `ha ${Date.now()}` })
  row = await Article.createOne({ title: 'ha made', words: 1, permission: 16258, tags: [{ id: tag.id }] })
  assert.deepEqual([row.title, row.words], ['ha made', 1])
  await Comment.createOne({ text: 'ha comment', article: { id: row.id } })
})

await proves('findOne and findAll with include', async () => {
  const one = await Article.findOne({ id: row.id, include: ['tags', 'comments'] })
  assert.deepEqual([one.tags.map((t) => t.name), one.comments.map((c) => c.text)], [[tag.name], ['ha comment']])
  const [comments] = await Comment.findAll({ filter: `filter[article]=${row.id}`, include: ['article'] })
  assert.deepEqual(comments.map((c) => c.article.title), ['ha made'])
})

await proves('updateOne of a part, of relationships, and of a whole record', async () => {
  await Article.updateOne({ id: row.id, words: 2 })
  await Article.updateOne({ id: row.id, tags: [] })
  const now = await Article.findOne({ id: row.id, include: ['tags'] })
  assert.deepEqual([now.title, now.words, now.tags], ['ha made', 2, []])
  const { id, title, words: count, status, permission, version, created_at } = now
  await Article.updateOne({ id, title: 'ha whole', words: count, status, permission, version, created_at })
  assert.equal((await Article.findOne(row.id)).title, 'ha whole')
  // It refuses with the bare `errors`.
  const [error] = await refused(Article.updateOne({ id, title: 'ha stale', words: count, status, permission, version, created_at }))
  assert.deepEqual([error.status, error.source.pointer], ['409', '/data/attributes/version'])
  assert.match(error.detail, /has changed since .* read it again/)
  assert.equal((await Article.findOne(row.id)).title, 'ha whole')
})

await proves('deleteOne', async () => {
  await Article.deleteOne(row.id)
  const [error] = await refused(Article.findOne(row.id))
  assert.equal(error.status, '404')
})

done()
