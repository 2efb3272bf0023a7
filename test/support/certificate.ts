import { createPrivateKey } from 'node:crypto'

/** A throw-away key and a certificate that it signed for itself: localhost, a hundred years. */
export const testKey = createPrivateKey({
  key: Buffer.from(
    'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSijZ9/Y4wrGxWJqgFO/NLHMTb5wyl9S5aECNrgMQgdihRANCAATv' +
      'wnsFYOIDiOVYSd/wHMwpi8nJzMhpBQIQHXPdaPia98d/YZRM9/oCuAM2yZPjQcfqHzUbxJMRH7aOMq1L3KXF',
    'base64',
  ),
  format: 'der',
  type: 'pkcs8',
}).export({ format: 'pem', type: 'pkcs8' })
export const testCertificate = [
  '-----BEGIN CERTIFICATE-----',
  'MIIBlDCCATugAwIBAgIUKRKaAR5mVXQANpDJH9+e5D0uGVkwCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEy' +
    'NTE1NTQwM1oYDzIxMjYxMTAxMTU1NDAzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATvwnsF' +
    'YOIDiOVYSd/wHMwpi8nJzMhpBQIQHXPdaPia98d/YZRM9/oCuAM2yZPjQcfqHzUbxJMRH7aOMq1L3KXFo2kwZzAdBgNVHQ4EFgQUtJt3' +
    'mfwMgpjKBARVI8hsUJ/oDCYwHwYDVR0jBBgwFoAUtJt3mfwMgpjKBARVI8hsUJ/oDCYwDwYDVR0TAQH/BAUwAwEB/zAUBgNVHREEDTAL' +
    'gglsb2NhbGhvc3QwCgYIKoZIzj0EAwIDRwAwRAIgc+ihenbt338UwRlWsKb0oq0VCGoy0U0SWw07KbCrv8oCIDm1yJK9HL7SNWAVouZS' +
    'YEFknu0oH2KSaWkUEpW54Pf3',
  '-----END CERTIFICATE-----',
].join('\n')

/** Prints both, as a broker wants them in one file. */
if (import.meta.filename === process.argv[1]) process.stdout.write([testKey, testCertificate, ''].join('\n'))
