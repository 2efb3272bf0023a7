import { Readable } from 'node:stream'
import { stringify } from 'csv-stringify/sync'
import { Type } from 'typebox'
import { contactPages, type ContactFilter } from '../projections/contacts.ts'
import { contactPictures, ContactView, contactView } from './contacts.ts'
import { envelope } from './format.ts'
import { rawText, type RouteRequest } from './route.ts'
import type { Services } from './services.ts'

export const exportFormats = ['json', 'csv'] as const
type Format = (typeof exportFormats)[number]

/** Rows held in memory at a time. */
const PAGE = 500
const contentTypes = { json: 'application/json', csv: 'text/csv; charset=utf-8' } as const
const columns = Object.keys(ContactView.properties).filter((name) => name !== 'profile_picture_url')

export const exportForms = {
  [contentTypes.json]: envelope(Type.Array(ContactView)),
  [contentTypes.csv]: rawText(
    contentTypes.csv,
    `UTF-8 with a byte order mark, so that spreadsheets know it. Columns: ${columns.join(', ')}. A cell that a spreadsheet would take for a formula (it begins with =, +, - or @) has an apostrophe in front.`,
  ),
}

type View = ReturnType<typeof contactView>
type Pages = AsyncIterable<readonly View[]>

async function* asJson(pages: Pages) {
  yield '{"success":true,"data":['
  let separator = ''
  for await (const page of pages) {
    yield separator + page.map((contact) => JSON.stringify(contact)).join(',')
    separator = ','
  }
  yield ']}'
}

async function* asCsv(pages: Pages) {
  const cast = { boolean: String }
  // Either half of a line end begins a new line for some who read it.
  const lines = { record_delimiter: 'windows', quoted_match: /[\r\n]/ }
  const options = { columns, cast, escape_formulas: true, ...lines }
  yield stringify([], { ...options, header: true, bom: true })
  for await (const page of pages) yield stringify([...page], options)
}

async function* viewsOf(
  services: Pick<Services, 'db' | 'settings'>,
  filter: ContactFilter,
  request: RouteRequest,
): Pages {
  for await (const page of contactPages(services.db, filter, PAGE)) {
    const ids = page.map(({ id }) => id)
    const pictureOf = await contactPictures(services, ids, request)
    yield page.map((row) => contactView(row, pictureOf(row.id)))
  }
}

/** All contacts, read from the database as they are sent, and the headers that go with them. */
export const exportContacts = (
  services: Pick<Services, 'db' | 'settings'>,
  filter: ContactFilter,
  format: Format,
  request: RouteRequest,
) => {
  const pages = viewsOf(services, filter, request)
  return {
    stream: Readable.from(format === 'csv' ? asCsv(pages) : asJson(pages), { objectMode: false }),
    headers: {
      'Content-Type': contentTypes[format],
      'Content-Disposition': `attachment; filename="contacts.${format}"`,
    },
  }
}
