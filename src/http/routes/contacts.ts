import { Type } from 'typebox'
import { change, Contact } from '../../domain/contact.ts'
import { literals, toPerson } from '../../domain/values.ts'
import { listContacts } from '../../projections/contacts.ts'
import { exportContacts, exportFormats, exportForms } from '../contact-export.ts'
import { importContacts, Imported } from '../contact-import.ts'
import {
  contactPictures,
  ContactView,
  contactView,
  DetailFields,
  PhoneNumber,
  writtenView,
} from '../contacts.ts'
import { contextOf } from '../context.ts'
import { GivenInstance } from '../fields.ts'
import type { Finders } from '../finders.ts'
import { Done, done, envelope, ok, pageMeta, pageOf, pageQuery, pagedEnvelope } from '../format.ts'
import type { Instances } from '../instances.ts'
import { reply, route, streamedAs } from '../route.ts'
import type { Services } from '../services.ts'
import { now } from '../times.ts'

const common = { tag: 'Contacts', limit: 'standard' } as const
const IMPORT_MAX = 10_000
const IMPORT_BYTES = 5_000_000
const instanceField = Type.Optional(GivenInstance)
const params = Type.Object({ id: Type.String({ description: 'UUID or number of the contact' }) })

/** The people that instances know. */
export const contactRoutes = (services: Services, instances: Instances, { contactOf }: Finders) => {
  const { db, transact, contacts } = services

  return [
    route({
      ...common,
      method: 'GET',
      path: '/contacts',
      operationId: 'listContacts',
      reads: ['contacts', 'conversations', 'instances'],
      asOf: () => ({ kind: 'contacts' }),
      summary: 'Contacts',
      description:
        'By name. Those that a user saved, and those who only wrote (`is_saved` tells them apart).',
      access: 'contacts:read',
      query: Type.Object({
        ...pageQuery,
        instance_id: instanceField,
        search: Type.Optional(Type.String({ maxLength: 100, description: 'Part of a name or number' })),
      }),
      successDescription: 'One page of contacts.',
      responses: { 200: pagedEnvelope(ContactView) },
      async handle({ caller, query, request }) {
        const { page, perPage } = pageOf(query)
        const instanceId = await instances.only(caller, query.instance_id)
        const filter = { tenantId: caller.tenantId, instanceId, search: query.search }
        const { rows, total } = await listContacts(db, { ...filter, page, perPage })
        const ids = rows.map(({ id }) => id)
        const pictureOf = await contactPictures(services, ids, request)
        const views = rows.map((row) => contactView(row, pictureOf(row.id)))
        return reply(200, { ...ok(views), meta: pageMeta(total, perPage, page) })
      },
    }),
    route({
      ...common,
      method: 'POST',
      path: '/contacts',
      operationId: 'createContact',
      summary: 'Create a contact',
      description:
        'One for each person and instance. Somebody who only wrote so far is saved, under the same id.',
      access: 'contacts:write',
      body: Type.Object({
        instance_id: instanceField,
        phone_number: PhoneNumber,
        ...DetailFields,
      }),
      successDescription: 'The contact.',
      responses: { 201: envelope(ContactView) },
      refusals: ['INSTANCE_REQUIRED'],
      examples: {
        body: {
          instance_id: '550e8400-e29b-41d4-a716-446655440000',
          phone_number: '+5511999999999',
          name: 'John Doe',
          email: 'john@example.com',
          company: 'Acme Inc',
          notes: 'Met at conference',
        },
      },
      async handle({ caller, body, request }) {
        const { phone_number, instance_id, ...given } = body
        const instance = await instances.meant(caller, instance_id, request.host)
        const who = { instanceId: instance.id, jid: toPerson(phone_number, 'phone_number') }
        const { id, state } = await contacts.add(who, given, contextOf(caller, request))
        const pictureOf = await contactPictures(services, [id], request)
        return reply(201, ok(writtenView(id, state, pictureOf(id)), 'Contact created successfully'))
      },
    }),
    route({
      ...common,
      method: 'GET',
      path: '/contacts/:id',
      operationId: 'getContact',
      reads: ['contacts', 'conversations'],
      asOf: ({ params }) => ({ kind: 'contact', ref: params.id }),
      summary: 'One contact',
      access: 'contacts:read',
      params,
      successDescription: 'The contact.',
      responses: { 200: envelope(ContactView) },
      async handle({ caller, params, request }) {
        const row = await contactOf(caller, params.id)
        const pictureOf = await contactPictures(services, [row.id], request)
        return reply(200, ok(contactView(row, pictureOf(row.id))))
      },
    }),
    route({
      ...common,
      method: 'PUT',
      path: '/contacts/:id',
      operationId: 'updateContact',
      reads: ['contacts', 'conversations'],
      summary: 'Update a contact',
      description: 'What is left out stays as it was; null clears a field.',
      access: 'contacts:write',
      params,
      body: Type.Object(DetailFields),
      successDescription: 'The contact as it is now.',
      responses: { 200: envelope(ContactView) },
      examples: { body: { name: 'John Doe', company: 'Acme Inc', notes: null } },
      async handle({ caller, params, body, request }) {
        const { id } = await contactOf(caller, params.id)
        const decide = change(body, now())
        const { state } = await transact(Contact, id, decide, contextOf(caller, request))
        const pictureOf = await contactPictures(services, [id], request)
        return reply(200, ok(writtenView(id, state, pictureOf(id)), 'Contact updated successfully'))
      },
    }),
    route({
      ...common,
      method: 'DELETE',
      path: '/contacts/:id',
      operationId: 'deleteContact',
      reads: ['contacts'],
      summary: 'Delete a contact',
      description:
        'Within seconds what was known of the person is erased, in the log too. The conversation stays. Whoever writes again is known again, under the same id.',
      access: 'contacts:write',
      params,
      successDescription: 'Deleted.',
      responses: { 200: Done },
      async handle({ caller, params, request }) {
        const { id } = await contactOf(caller, params.id)
        await services.delete.contact(id, contextOf(caller, request))
        return reply(200, done('Contact deleted successfully'))
      },
    }),
    route({
      ...common,
      method: 'POST',
      path: '/contacts/import',
      operationId: 'importContacts',
      summary: 'Import contacts',
      description:
        'Each row is judged by itself: the good ones are saved, the others named under `errors`. Those saved before are skipped, so that the same call can be made again.',
      access: 'contacts:write',
      bodyLimitBytes: IMPORT_BYTES,
      body: Type.Object({
        instance_id: instanceField,
        contacts: Type.Array(Type.Unknown(), {
          maxItems: IMPORT_MAX,
          description: 'Objects with `phone_number` and, if you like, `name`, `email`, `company`, `notes`',
        }),
      }),
      successDescription: 'What became of the rows.',
      responses: { 200: envelope(Imported) },
      refusals: ['INSTANCE_REQUIRED'],
      examples: {
        body: {
          instance_id: '550e8400-e29b-41d4-a716-446655440000',
          contacts: [
            { phone_number: '+5511999999999', name: 'John Doe' },
            { phone_number: '+5511888888888', name: 'Jane Smith' },
          ],
        },
        response: {
          success: true,
          message: 'Contacts imported successfully',
          data: { imported: 2, skipped: 0, errors: [] },
        },
      },
      async handle({ caller, body, request }) {
        const { id } = await instances.meant(caller, body.instance_id, request.host)
        const imported = await importContacts(contacts, id, body.contacts, contextOf(caller, request))
        return reply(200, ok(imported, 'Contacts imported successfully'))
      },
    }),
    route({
      ...common,
      method: 'GET',
      path: '/contacts/export',
      operationId: 'exportContacts',
      reads: ['contacts', 'conversations'],
      summary: 'Export contacts',
      description: 'All of them, in the order in which they became known.',
      access: 'contacts:read',
      query: Type.Object({
        instance_id: instanceField,
        format: Type.Optional(literals(exportFormats, { default: 'json' })),
      }),
      successDescription: 'A file.',
      responses: { 200: streamedAs(exportForms) },
      async handle({ caller, query, request }) {
        const instanceId = await instances.only(caller, query.instance_id)
        const filter = { tenantId: caller.tenantId, instanceId }
        const { stream, headers } = exportContacts(services, filter, query.format ?? 'json', request)
        return reply(200, stream, headers)
      },
    }),
  ]
}
