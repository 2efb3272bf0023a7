import { eventStoreContract } from './contracts/event-store.ts'
import { sealedLog } from './support/sealed.ts'

eventStoreContract('PostgreSQL, sealed', async () => (await sealedLog()).store)
