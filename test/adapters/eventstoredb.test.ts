import { eventStoreContract } from '../contracts/event-store.ts'
import { sharedEventStoreDb, testEventStore } from '../support/eventstoredb.ts'

const shared = sharedEventStoreDb()

eventStoreContract(shared.isStandIn ? 'EventStoreDB (stand-in)' : 'EventStoreDB', async () =>
  testEventStore(shared.url()),
)
