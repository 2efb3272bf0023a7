/** What a node can do. Every node also answers /health, /ready and /metrics. */
export const roles = ['api', 'projector', 'relay', 'webhooks', 'gateway'] as const
export type Role = (typeof roles)[number]
