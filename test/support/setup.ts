import { afterAll, afterEach } from 'vitest';
import { endFile, endTest } from './clean-up.js';

afterEach(endTest);
afterAll(endFile);
