import { test } from 'vitest'
import { change, create, remove, Tag, type TagEvent } from '../../src/domain/tag.ts'
import { AT, later } from '../support/facts.ts'
import { specification } from '../support/given.ts'

const tag = specification(Tag)
const vip = { name: 'VIP', color: '#f59e0b' }
const created: TagEvent = { type: 'TagCreated', data: { ...vip, at: AT } }
const deleted: TagEvent = { type: 'TagDeleted', data: { at: AT } }

test('a tag is created once', () => tag.given().when(create(vip, AT)).then(created))

test('what is not given stays when a tag changes', () =>
  tag
    .given(created)
    .when(change({ color: '#dc2626' }, later(1)))
    .then({ type: 'TagChanged', data: { name: 'VIP', color: '#dc2626', at: later(1) } }))

test('a change to what it is already is none', () =>
  tag
    .given(created)
    .when(change({ name: 'VIP' }, AT))
    .then())

test('a deleted tag is gone: it cannot be changed or deleted again', () => {
  tag.given(created).when(remove(AT)).then(deleted)
  tag
    .given(created, deleted)
    .when(change({ name: 'x' }, AT))
    .refuses('NOT_FOUND')
  tag.given(created, deleted).when(remove(AT)).refuses('NOT_FOUND')
})
