import { inProcessBus } from '../../src/adapters/in-process/bus.ts'
import { busContract } from '../contracts/bus.ts'

busContract(
  'of one process',
  async () => {
    const bus = inProcessBus()
    return { node: () => bus, stop: async () => {} }
  },
  { keeps: false },
)
