/**
 * What can be done to the stand-in from outside, in JSON: people by their phone numbers, groups by their addresses,
 * files in base64. `client.ts` offers the same to another process.
 */
import type { proto } from '@whiskeysockets/baileys'
import type { GroupSetting, GroupState, ParticipantAction } from './groups.ts'
import { fileIn, type Attachment } from './media.ts'
import type { Faults, Person, Received } from './types.ts'
import type { World } from './world.ts'

type Who = { readonly person: string }
/** `to` is a phone number or the address of a group. */
type To = { readonly from: string; readonly to: string }
type InGroup = { readonly by: string; readonly group: string }

/** A message as somebody's phone shows it. */
export type Shown = {
  readonly id: string
  readonly chat: string
  /** Phone number. */
  readonly from: string
  readonly text: string | null
  readonly message: proto.IMessage
}

export const createCommands = (world: World) => {
  const { whatsApp, host, groups, pictures, presence, history, phonesOff, lostFiles } = world
  const person = (phoneNumber: string): Person => {
    const found = whatsApp.people.find((one) => one.phoneNumber === phoneNumber)
    if (!found) throw new Error(`Nobody has the number ${phoneNumber}`)
    return found
  }
  const chat = (to: string) => (to.endsWith('@g.us') ? to : person(to))
  const jids = (phoneNumbers: readonly string[]) => phoneNumbers.map((one) => `${one}@s.whatsapp.net`)
  const receivedBy = (phoneNumber: string, id: string): Received => {
    const found = person(phoneNumber).inbox.find((one) => one.id === id)
    if (!found) throw new Error(`${phoneNumber} has no message ${id}`)
    return found
  }
  const fileOf = (message: proto.IMessage) => {
    const directPath = fileIn(message)?.fields.directPath
    if (!directPath) throw new Error('The message has no file')
    return directPath
  }

  return {
    // People and the clients linked to their accounts
    person: ({ name, ...options }: { name: string; phoneNumber?: string; lid?: string }) =>
      shownPerson(whatsApp.person(name, options)),
    people: () => whatsApp.people.map(shownPerson),
    rename: ({ person: who, name }: Who & { name: string }) => {
      person(who).name = name
    },
    scan: async ({ person: who, qr }: Who & { qr: string }) => ({ device: (await person(who).scan(qr)).id }),
    enterCode: async ({ person: who, code }: Who & { code: string }) => ({
      device: (await person(who).enterCode(code)).id,
    }),
    unlink: ({ person: who, device }: Who & { device?: number }) => person(who).unlink(device),
    drop: ({ person: who, device }: Who & { device?: number }) => person(who).drop(device),
    streamError: ({ person: who, code }: Who & { code: number | 'replaced' }) =>
      person(who).streamError(code),

    // What people write and do
    write: ({
      from,
      to,
      text,
      ...options
    }: To & { text: string; id?: string; replyTo?: string; at?: number }) =>
      person(from).writeTo(chat(to), text, options),
    writeMessage: ({ from, to, message, id }: To & { message: proto.IMessage; id?: string }) =>
      person(from).writeTo(chat(to), message, id === undefined ? {} : { id }),
    sendFile: ({ from, to, base64, ...file }: To & { base64: string } & WithoutBytes<Attachment>) =>
      world.sendFile(person(from), chat(to), { ...file, bytes: Buffer.from(base64, 'base64') }),
    react: ({ from, to, id, emoji }: To & { id: string; emoji: string }) =>
      person(from).react(chat(to), id, emoji),
    edit: ({ from, to, id, text }: To & { id: string; text: string }) =>
      person(from).edit(chat(to), id, text),
    revoke: ({ from, to, id }: To & { id: string }) => person(from).revoke(chat(to), id),
    receipt: ({
      from,
      to,
      ids,
      type,
    }: To & { ids: readonly string[]; type: 'delivery' | 'read' | 'played' }) =>
      person(from).receipt(chat(to), ids, type),
    readOnPhone: ({ from, to, ids }: To & { ids: readonly string[] }) =>
      person(from).readOnPhone(chat(to), ids),
    show: ({ from, to, state }: To & { state: 'composing' | 'recording' | 'paused' }) =>
      presence.show(person(from), chat(to), state),
    be: ({ person: who, state }: Who & { state: 'available' | 'unavailable' }) =>
      presence.be(person(who), state),
    setPicture: ({ of, base64 }: { of: string; base64: string | null }) =>
      pictures.set(chat(of), base64 === null ? undefined : Buffer.from(base64, 'base64')) ?? null,
    /** What the phone does with what it gets from now on, and how many of the next messages it cannot read. */
    phone: ({
      person: who,
      answers,
      unreadableNext,
    }: Who & Partial<Pick<Person, 'answers' | 'unreadableNext'>>) => {
      if (answers !== undefined) person(who).answers = answers
      if (unreadableNext !== undefined) person(who).unreadableNext = unreadableNext
    },

    // What people see
    inbox: ({ person: who }: Who) => person(who).inbox.map(shown),
    /** The first message with this text, or under this id, in the inbox or to come. */
    received: async ({ person: who, id, text }: Who & { id?: string; text?: string }) =>
      shown(
        await person(who).received(
          (one) => (id === undefined || one.id === id) && (text === undefined || one.text === text),
        ),
      ),
    file: async ({ person: who, id }: Who & { id: string }) =>
      (await world.openFile(receivedBy(who, id).message)).toString('base64'),
    receipts: ({ person: who }: Who) =>
      person(who).receipts.map(({ ids, type, from, to }) => ({ ids, type, from: from.phoneNumber, to })),
    presences: () =>
      presence.seen.all.map(({ from, presence, to }) => ({
        from: from.phoneNumber,
        presence,
        to: to ?? null,
      })),

    // Groups
    createGroup: ({
      by,
      subject,
      members,
      ...options
    }: {
      by: string
      subject: string
      members: readonly string[]
      addressing?: 'pn' | 'lid'
      locked?: boolean
    }) => {
      const { group, results } = groups.create(person(by), subject, jids(members), options)
      return { group: group.id, results }
    },
    groups: () => [...groups.states.values()].map(shownGroup),
    changeParticipants: ({
      by,
      group,
      action,
      members,
    }: InGroup & { action: ParticipantAction; members: readonly string[] }) =>
      groups.participants(person(by), group, action, jids(members)),
    setSubject: ({ by, group, subject }: InGroup & { subject: string }) =>
      groups.setSubject(person(by), group, subject),
    setDescription: ({ by, group, description }: InGroup & { description: string }) =>
      groups.describe(person(by), group, description),
    setSetting: ({ by, group, setting }: InGroup & { setting: GroupSetting }) =>
      groups.setSetting(person(by), group, setting),
    leaveGroup: ({ by, group }: InGroup) => groups.leave(person(by), group),
    joinGroup: ({ by, code }: { by: string; code: string }) => groups.join(person(by), code).id,
    /** The person lets nobody take them into groups. */
    staysOutOfGroups: ({ person: who }: Who) => void groups.unwilling.add(person(who)),

    // The past, in the phone of an account that is not linked yet
    keepHistory: ({
      person: who,
      chats,
      toldOfEach,
    }: Who & {
      toldOfEach?: number
      chats: readonly {
        with: string
        name?: string
        messages: readonly { id: string; from: string; text: string; at: number }[]
      }[]
    }) =>
      history.keep(
        person(who),
        chats.map(({ with: partner, messages, ...rest }) => ({
          ...rest,
          with: chat(partner),
          messages: messages.map(({ from, text, ...said }) => ({
            ...said,
            from: person(from),
            content: text,
          })),
        })),
        toldOfEach,
      ),

    // Faults
    faults: (faults: PlainFaults) => setFaults(whatsApp.faults, faults),
    /** Whose messages are refused with which code, such as 463; an empty code takes the message and never says so. */
    refuseMessages: ({ code }: { code: string | null }) => {
      whatsApp.faults.ack = code === null ? undefined : () => (code === '' ? 'lost' : { error: code })
    },
    /** Never answers iqs of this xmlns; null answers all again. */
    ignoreIqs: ({ xmlns }: { xmlns: string | null }) => {
      whatsApp.faults.iq =
        xmlns === null ? undefined : (iq) => (iq.attrs.xmlns === xmlns ? 'silence' : undefined)
    },
    /** A phone that is off answers nothing that a linked client asks it. */
    switchPhone: ({ person: who, on }: Who & { on: boolean }) => {
      if (on) phonesOff.delete(person(who))
      else phonesOff.add(person(who))
    },
    /** No phone has the file of this message any more. */
    loseFile: ({ id }: { id: string }) => void lostFiles.add(id),
    failUploads: ({ times }: { times: number }) => host.failUploads(times),
    uploads: () => host.uploads,
    expireFile: ({ directPath, status }: { directPath: string; status?: 404 | 410 }) =>
      host.expire(directPath, status),
    damageFile: ({ directPath }: { directPath: string }) => host.damage(directPath),
    /** Where the file of a message lies that this person has got. */
    fileOf: ({ person: who, id }: Who & { id: string }) => fileOf(receivedBy(who, id).message),

    /** What the stand-in could not make sense of. A test ends with none. */
    errors: () => world.errors().map(({ message }) => message),
    counts: () => ({
      people: whatsApp.people.length,
      connections: whatsApp.connections.size,
      stanzas: whatsApp.stanzas.all.length,
    }),
  }
}
export type Commands = ReturnType<typeof createCommands>

type WithoutBytes<T> = T extends unknown ? Omit<T, 'bytes'> : never

/** The faults that are plain values; null takes one away. */
type PlainFaults = { [F in keyof Omit<Faults, 'ack' | 'iq'>]?: Faults[F] | null }

const setFaults = (faults: Faults, { qrRefs, ...changed }: PlainFaults) => {
  if (typeof qrRefs === 'number') faults.qrRefs = qrRefs
  Object.assign(
    faults,
    Object.fromEntries(Object.entries(changed).map(([name, value]) => [name, value ?? undefined])),
  )
}

const shownPerson = ({ name, phoneNumber, jid, lid, devices }: Person) => ({
  name,
  phoneNumber,
  jid,
  lid,
  devices: [...devices.values()].map(({ id, connection }) => ({ id, connected: connection !== undefined })),
})

const shown = ({ id, chat, sender, text, message }: Received): Shown => ({
  id,
  chat,
  from: sender.phoneNumber,
  text: text ?? null,
  message,
})

const shownGroup = ({ id, subject, description, inviteCode, announcement, locked, roles }: GroupState) => ({
  id,
  subject,
  description: description?.text ?? null,
  inviteCode,
  announcement,
  locked,
  members: [...roles].map(([{ phoneNumber }, role]) => ({ phoneNumber, role: role ?? null })),
})
