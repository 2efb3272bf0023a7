import { Refusal } from '../domain/errors.ts'
import type { Gateway } from '../ports/gateway.ts'
import type { Services } from './services.ts'

/** The gateway of an instance: at the node that has its session, to which the call goes if that is another one. */
export const createReach =
  ({ owners, gatewayOf }: Pick<Services, 'owners' | 'gatewayOf'>) =>
  async (instanceId: string): Promise<Gateway> => {
    await owners.mustBeHere(instanceId)
    const gateway = gatewayOf(instanceId)
    if (!gateway)
      throw new Refusal('INSTANCE_NOT_CONNECTED', 'The instance has no session. Connect it first.')
    return gateway
  }
