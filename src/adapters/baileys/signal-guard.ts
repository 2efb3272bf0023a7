import { AsyncResource } from 'node:async_hooks'
import { isPnUser, jidDecode, type SocketConfig } from '@whiskeysockets/baileys'
import { createLocalTurns } from '../../local-turns.ts'
import { isSigned } from './signature.ts'

type MakeSignalRepository = SocketConfig['makeSignalRepository']

/**
 * Makes every change of a Signal session a commit of its own, one at a time for each contact.
 *
 * The library does a whole send in one transaction of its key store, under a lock in the name of this account. An
 * encryption inside it neither takes the lock of the contact nor commits before the message is on its way: what is
 * decrypted meanwhile overwrites the ratchet of the session, or is overwritten. Here it leaves that transaction.
 *
 * That rests on the library never encrypting to this very device: it would wait for the lock of its own send.
 *
 * No session is begun with keys that somebody else put in the place of those of the contact; the library does not look.
 */
export const guardSignal =
  (make: MakeSignalRepository): MakeSignalRepository =>
  (auth, logger, findLids) => {
    const repository = make(auth, logger, findLids)
    // Made here, where no transaction is open: what runs in it sees none.
    const outside = new AsyncResource('SignalGuard')
    const turns = createLocalTurns()

    /** All devices of a person; the number and the hidden id of a person share their sessions. */
    const personOf = async (jid: string) => {
      const lid = isPnUser(jid) ? await repository.lidMapping.getLIDForPN(jid) : null
      return jidDecode(lid ?? jid)?.user ?? jid
    }
    const inTurn = <T>(name: string, work: () => Promise<T>): Promise<T> =>
      turns(name, () => outside.runInAsyncScope(work))
    const withPerson = async <T>(jid: string, work: () => Promise<T>): Promise<T> =>
      inTurn(await outside.runInAsyncScope(() => personOf(jid)), work)

    return {
      ...repository,
      encryptMessage: (options) => withPerson(options.jid, () => repository.encryptMessage(options)),
      decryptMessage: (options) => withPerson(options.jid, () => repository.decryptMessage(options)),
      injectE2ESession: async (options) => {
        if (isGenuine(options.session))
          return withPerson(options.jid, () => repository.injectE2ESession(options))
        // Thrown, it would keep the message from all the others who are asked about at the same time.
        logger.error({}, 'the signature of a pre-key is not of its identity: no session is begun with it')
      },
      migrateSession: (from, to) => withPerson(to, () => repository.migrateSession(from, to)),
      deleteSession: async (jids) => {
        for (const jid of jids) await withPerson(jid, () => repository.deleteSession([jid]))
      },
      encryptGroupMessage: (options) => inTurn(options.group, () => repository.encryptGroupMessage(options)),
      getSenderKeyDistributionMessage: (options) =>
        inTurn(options.group, () => repository.getSenderKeyDistributionMessage(options)),
    }
  }

type Session = Parameters<ReturnType<MakeSignalRepository>['injectE2ESession']>[0]['session']

const isGenuine = ({ identityKey, signedPreKey }: Session) =>
  isSigned(identityKey, signedPreKey.publicKey, signedPreKey.signature)
