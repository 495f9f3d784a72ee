/**
 * Credentials of no real app, for demos: the defaults of the simulator, and what
 * `destroy --simulate` signs with. They open nothing.
 */
export const DEMO_SDK_APP_ID = 1_400_000_000;
export const DEMO_SECRET_KEY = 'room-reaper-demo-key-that-opens-nothing';
export const DEFAULT_ADMIN_IDENTIFIER = 'administrator';
