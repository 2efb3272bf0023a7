import { beforeAll, describe, expect, it } from 'vitest'
import type { BaileysClient } from '../../support/baileys.ts'
import { whatsAppWorld } from '../../support/whatsapp-world.ts'
import type { Person } from './whatsapp.ts'

describe.each(['lid', 'pn'] as const)(
  'groups that name people by %s, as the real client sees them',
  (addressing) => {
    const test = whatsAppWorld({ addressing })
    let shop: Person, alice: Person, bob: Person
    let client: BaileysClient
    beforeAll(async () => {
      ;({ person: shop, client } = await test.linked('Shop'))
      alice = test.person('Alice')
      bob = test.person('Bob')
    })
    const made = async (members: readonly Person[] = [alice]) =>
      (
        await client.socket.groupCreate(
          'Team',
          members.map(({ jid }) => jid),
        )
      ).id
    const rolesIn = async (id: string) =>
      Object.fromEntries(
        (await client.socket.groupMetadata(id)).participants.map((one) => [
          test.world.whatsApp.find(one.id)?.name,
          one.admin,
        ]),
      )

    it('a group has its subject, its members under both of their addresses, and its maker as superadmin', async () => {
      const id = await made()
      const group = await client.socket.groupMetadata(id)
      expect(group).toMatchObject({
        id,
        subject: 'Team',
        addressingMode: addressing,
        owner: shop.address(addressing),
        size: 2,
      })
      expect(group.participants).toMatchObject([
        { id: shop.address(addressing), admin: 'superadmin' },
        addressing === 'lid'
          ? { id: alice.lid, phoneNumber: alice.jid, admin: null }
          : { id: alice.jid, lid: alice.lid, admin: null },
      ])
      expect(Object.keys(await client.socket.groupFetchAllParticipating())).toContain(id)
    })
    it('who does not want to be taken in is named in the answer, and is no member', async () => {
      const shy = test.person('Shy')
      test.world.groups.unwilling.add(shy)
      const answer = await client.socket.groupCreate('Team', [shy.jid, alice.jid])
      expect(answer.participants.map((one) => one.id)).toContain(shy.jid)
      expect(await rolesIn(answer.id)).toEqual({ Shop: 'superadmin', Alice: null })
    })
    it('members are told of each change', async () => {
      const { client: carols, person: carol } = await test.linked('Carol')
      const id = await made([carol])
      const told = (fits: (stub: { type?: number | null; parameters?: string[] | null }) => boolean) =>
        carols.message(
          (one) =>
            one.key.remoteJid === id &&
            fits({ type: one.messageStubType ?? null, parameters: one.messageStubParameters ?? null }),
        )
      await carols.events.first((batch) => batch['groups.upsert']?.[0]?.id === id)
      await client.socket.groupUpdateSubject(id, 'Sales')
      await told(({ parameters }) => parameters?.[0] === 'Sales')
      await client.socket.groupUpdateDescription(id, 'About sales')
      await told(({ parameters }) => parameters?.[0] === 'About sales')
      await client.socket.groupParticipantsUpdate(id, [bob.jid], 'add')
      await carols.events.first((batch) => batch['group-participants.update']?.action === 'add')
      await client.socket.groupParticipantsUpdate(id, [carol.jid], 'remove')
      await carols.events.first((batch) => batch['group-participants.update']?.action === 'remove')
      await expect(carols.socket.groupMetadata(id)).rejects.toMatchObject({ data: 403 })
    })
    it('a description takes the place of the one before, and goes', async () => {
      const id = await made()
      await client.socket.groupUpdateDescription(id, 'one')
      await client.socket.groupUpdateDescription(id, 'two')
      expect((await client.socket.groupMetadata(id)).desc).toBe('two')
      expect(() => test.world.groups.setDescription(shop, id, 'three', 'x', 'not the last')).toThrow(
        'conflict',
      )
      await client.socket.groupUpdateDescription(id)
      expect((await client.socket.groupMetadata(id)).desc).toBeUndefined()
    })
    it('each participant named has a result of its own', async () => {
      const shy = test.person('Shy')
      test.world.groups.unwilling.add(shy)
      const id = await made()
      const change = async (action: 'add' | 'remove' | 'promote' | 'demote', who: readonly string[]) =>
        (await client.socket.groupParticipantsUpdate(id, [...who], action)).map(({ status }) => status)
      expect(await change('add', [bob.jid, alice.jid, shy.jid, '19998887777@s.whatsapp.net'])).toEqual([
        '200',
        '409',
        '403',
        '404',
      ])
      expect(await change('promote', [bob.jid, shy.jid])).toEqual(['200', '404'])
      expect(await rolesIn(id)).toEqual({ Shop: 'superadmin', Alice: null, Bob: 'admin' })
      expect(await change('demote', [bob.jid, shop.jid])).toEqual(['200', '406'])
      expect(await change('remove', [bob.lid])).toEqual(['200'])
      expect(await rolesIn(id)).toEqual({ Shop: 'superadmin', Alice: null })
    })
    it('what is for admins is refused to others, and everything to who is not in it', async () => {
      const { group } = test.world.groups.create(alice, 'Theirs', [shop.jid], { locked: true })
      const { socket } = client
      for (const refused of [
        socket.groupUpdateSubject(group.id, 'Mine'),
        socket.groupParticipantsUpdate(group.id, [bob.jid], 'add'),
        socket.groupSettingUpdate(group.id, 'unlocked'),
      ])
        await expect(refused).rejects.toMatchObject({ message: 'forbidden', data: 403 })
      await expect(socket.groupInviteCode(group.id)).rejects.toMatchObject({
        message: 'not-authorized',
        data: 401,
      })
      await socket.groupLeave(group.id)
      await expect(socket.groupMetadata(group.id)).rejects.toMatchObject({ message: 'forbidden', data: 403 })
      await expect(socket.groupMetadata('120363000000000000@g.us')).rejects.toMatchObject({
        message: 'item-not-found',
        data: 404,
      })
    })
    it('an unlocked group takes a subject from any member, and announcements are for admins', async () => {
      const { group } = test.world.groups.create(alice, 'Open', [shop.jid])
      await client.socket.groupUpdateSubject(group.id, 'Ours')
      expect(group.subject).toBe('Ours')
      test.world.groups.setSetting(alice, group.id, 'announcement')
      expect((await client.socket.groupMetadata(group.id)).announce).toBe(true)
      const sent = await client.socket.sendMessage(group.id, { text: 'May I?' })
      const { id } = sent?.key ?? {}
      await test.world.whatsApp.stanzas.first(
        ({ node }) => node.tag === 'ack' && node.attrs.id === id && node.attrs.error === '403',
      )
      expect(alice.inbox.some((one) => one.id === id)).toBe(false)
    })
    it('an invite code leads into the group until it is revoked', async () => {
      const { group } = test.world.groups.create(alice, 'Invited', [])
      const code = test.world.groups.inviteCode(alice, group.id)
      expect((await client.socket.groupGetInviteInfo(code)).id).toBe(group.id)
      expect(await client.socket.groupAcceptInvite(code)).toBe(group.id)
      expect(await rolesIn(group.id)).toEqual({ Alice: 'superadmin', Shop: null })
      test.world.groups.revokeInvite(alice, group.id)
      await expect(client.socket.groupGetInviteInfo(code)).rejects.toMatchObject({ data: 406 })
      const own = await made()
      const first = await client.socket.groupInviteCode(own)
      expect(await client.socket.groupRevokeInvite(own)).not.toBe(first)
    })
    it('messages go both ways, under sender keys, again and again', async () => {
      const id = await made([alice, bob])
      for (const text of ['first', 'second']) {
        await client.socket.sendMessage(id, { text })
        for (const person of [alice, bob])
          expect(await person.received((one) => one.text === text)).toMatchObject({
            chat: id,
            sender: { name: 'Shop' },
          })
        await alice.writeTo(id, `${text}, read`)
        const message = await client.message((one) => client.text(one) === `${text}, read`)
        expect(message.key).toMatchObject({ remoteJid: id, participant: alice.address(addressing) })
      }
    })
    it('who is added later reads what comes after', async () => {
      const { client: dans, person: dan } = await test.linked('Dan')
      const id = await made([alice])
      await alice.writeTo(id, 'before Dan')
      await client.socket.groupParticipantsUpdate(id, [dan.jid], 'add')
      await alice.writeTo(id, 'with Dan')
      const message = await dans.message(
        (one) => one.key.remoteJid === id && one.message !== null && one.message !== undefined,
      )
      expect(dans.text(message)).toBe('with Dan')
    })
  },
)
