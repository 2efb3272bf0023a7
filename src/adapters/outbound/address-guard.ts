import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { buildConnector } from 'undici'

type Address = ipaddr.IPv4 | ipaddr.IPv6
type Range = [Address, number]

/** Raised by the connector instead of connecting. */
export class AddressNotAllowed extends Error {
  override name = 'AddressNotAllowed'
  constructor(address: string) {
    super(`address not allowed: ${address}; OUTBOUND_ALLOW lets private addresses through`)
  }
}

/** Keeps requests to URLs that users give away from private networks. */
export type AddressGuard = {
  /** Whether an IP address (no host name) may be connected to. */
  allows(address: string): boolean
  /** Why the URL can be refused without connecting, in plain words; undefined if only connecting can tell. */
  checkUrl(url: string): string | undefined
  /** For undici's `connect`: connects to allowed addresses only, however the host is written or looked up. */
  connector(connectTimeoutMs: number): buildConnector.connector
}

/** IPv6 forms whose last four bytes are the IPv4 address that is really reached: mapped, and NAT64 (RFC 6052). */
const carriers: Range[] = [ipaddr.parseCIDR('::ffff:0:0/96'), ipaddr.parseCIDR('64:ff9b::/96')]
/** All that IANA gave out as global unicast; the rest of IPv6 has no public hosts. */
const globalIpv6: Range = ipaddr.parseCIDR('2000::/3')
/** Azure serves machine credentials to its virtual machines on this otherwise public address. */
const azureMetadata: Range = ipaddr.parseCIDR('168.63.129.16/32')

const inside = (address: Address, ranges: Range[]) =>
  ipaddr.subnetMatch(address, { inside: ranges }, 'outside') === 'inside'

const destination = (address: string): Address => {
  const parsed = ipaddr.parse(address)
  return inside(parsed, carriers) ? new ipaddr.IPv4(parsed.toByteArray().slice(-4)) : parsed
}

// 6to4 and Teredo reach an IPv4 address through a relay; like every special range they are not 'unicast' here.
const isPublic = (address: Address) =>
  address.range() === 'unicast' &&
  !inside(address, [azureMetadata]) &&
  (address.kind() === 'ipv4' || inside(address, [globalIpv6]))

const parseRange = (cidr: string): Range => {
  const [network = ''] = cidr.split('/')
  // isIP is stricter than ipaddr.js, which reads 010.0.0.0 as octal and 10.1 as 10.0.0.1.
  if (!isIP(network) || !ipaddr.isValidCIDR(cidr))
    throw new Error(
      `OUTBOUND_ALLOW: "${cidr}" is not a CIDR. Write an address and a prefix length, like 10.1.0.0/16.`,
    )
  const range = ipaddr.parseCIDR(cidr)
  if (inside(range[0], carriers))
    throw new Error(
      `OUTBOUND_ALLOW: "${cidr}" stands for IPv4 addresses. Write them as IPv4, like 10.1.0.0/16.`,
    )
  return range
}

/** Checks what a name was looked up to, and hands on the allowed addresses: these are then connected to. */
const guardedLookup =
  (allows: (address: string) => boolean): LookupFunction =>
  (hostname, options, done) =>
    systemLookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return done(error, [])
      const allowed = found.filter(({ address }) => allows(address))
      const [first] = allowed
      if (!first) return done(new AddressNotAllowed(found[0]?.address ?? hostname), [])
      return options.all ? done(null, allowed) : done(null, first.address, first.family)
    })

const unbracketed = (hostname: string) => hostname.replace(/^\[|\]$/g, '')

/**
 * Lets through public addresses and those in `allow`, a list of CIDRs (setting OUTBOUND_ALLOW).
 * Throws an error for the operator if one of them cannot be read.
 */
export const addressGuard = (allow: readonly string[]): AddressGuard => {
  const ranges = allow.map(parseRange)
  const allows = (address: string) => {
    if (!isIP(address)) return false
    const reached = destination(address)
    return inside(reached, ranges) || isPublic(reached)
  }
  const allowsLocalhost = allows('127.0.0.1') || allows('::1')

  return {
    allows,
    checkUrl: (text) => {
      if (!URL.canParse(text)) return 'not a valid URL'
      const url = new URL(text)
      if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'only http and https URLs are allowed'
      if (url.username || url.password) return 'a user name or password in the URL is not allowed'
      const host = unbracketed(url.hostname)
      const refused = isIP(host) ? !allows(host) : /(^|\.)localhost\.?$/.test(host) && !allowsLocalhost
      return refused ? new AddressNotAllowed(host).message : undefined
    },
    connector: (connectTimeoutMs) => {
      const connect = buildConnector({ timeout: connectTimeoutMs, lookup: guardedLookup(allows) })
      return (options, done) => {
        // A literal address is connected to without a lookup.
        const host = unbracketed(options.hostname)
        if (isIP(host) && !allows(host)) process.nextTick(done, new AddressNotAllowed(host), null)
        else connect(options, done)
      }
    },
  }
}
