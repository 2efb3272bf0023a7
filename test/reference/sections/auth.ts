import type { Entry } from '../entry.ts'
import { LOGIN } from '../prepared-world.ts'

export const auth: readonly Entry[] = [
  {
    call: 'POST /auth/login',
    body: { ...LOGIN, device_name: 'My App' },
    by: 'nobody',
    answer: {
      success: true,
      message: 'Login successful',
      data: {
        user: { id: 1, name: 'User Name', email: 'user@example.com', role: 'admin' },
        token: '1|abc123xyz...',
        token_type: 'Bearer',
      },
    },
    varies: ['user.id'],
  },
  {
    call: 'GET /auth/me',
    by: 'fresh login',
    assumed: {
      success: true,
      data: { user: { id: 1, name: 'User Name', email: 'user@example.com', role: 'admin' } },
    },
    varies: ['user.id'],
    note: 'No answer documented; expected is the user as login shows it.',
  },
  {
    call: 'POST /auth/logout',
    by: 'fresh login',
    assumed: { success: true, message: 'Logged out' },
    note: 'No answer documented.',
  },
  {
    call: 'POST /auth/refresh',
    by: 'fresh login',
    assumed: { success: true, data: { token: '1|abc123xyz...', token_type: 'Bearer' } },
    note: 'No answer documented; expected is the token as login shows it.',
  },
]
