/** What a token may do. A route names one of them in `access`. */
export const permissions = [
  'messages:send',
  'messages:read',
  'conversations:read',
  'conversations:write',
  'contacts:read',
  'contacts:write',
  'tags:read',
  'tags:write',
  'media:read',
  'media:write',
  'groups:read',
  'groups:write',
  'automations:read',
  'automations:write',
  'stats:read',
  'events:read',
  'users:read',
  'users:write',
  'instances:read',
  'instances:write',
  'webhooks:read',
  'webhooks:write',
  /** The incoming hooks: what a gateway tells us about messages, receipts and the connection. */
  'inbound:write',
  'sandbox:use',
  'tokens:write',
  'account:read',
  'metrics:read',
  /** Who did what and when, whatever it was about. */
  'audit:read',
] as const
export type Permission = (typeof permissions)[number]

/** Of administrators alone. */
const administering: readonly Permission[] = ['users:read', 'audit:read']
const reading = permissions.filter(
  (permission) => permission.endsWith(':read') && !administering.includes(permission),
)

/** What a user's token may do, by the user's role. */
export const rolePermissions: Readonly<Record<'admin' | 'agent' | 'viewer', ReadonlySet<Permission>>> = {
  admin: new Set(permissions),
  agent: new Set<Permission>([
    ...reading,
    'messages:send',
    'conversations:write',
    'contacts:write',
    'tags:write',
    'media:write',
    'groups:write',
    'sandbox:use',
  ]),
  viewer: new Set(reading),
}

const accountWide: readonly Permission[] = [
  'tokens:write',
  'account:read',
  'metrics:read',
  'users:read',
  'users:write',
  'audit:read',
]

/**
 * What the token of one instance may do, each for that instance only. Calls on the whole account stay closed to it:
 * those that share a permission with calls on one instance are marked `scope: 'account'` on their route.
 */
export const instanceTokenPermissions: ReadonlySet<Permission> = new Set(
  permissions.filter((permission) => !accountWide.includes(permission)),
)
