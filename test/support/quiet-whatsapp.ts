import { harden } from '../../src/adapters/baileys/harden.ts'

harden()
