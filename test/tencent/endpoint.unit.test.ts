import { describe, expect, test } from 'vitest';
import {
  destroyRoomCommand,
  isRegion,
  regionEndpoint,
  regions,
} from '../../src/tencent/endpoint.js';

describe('a region has the host of its documentation, over HTTPS', () => {
  test.each([
    ['china', 'https://console.tim.qq.com'],
    ['singapore', 'https://adminapisgp.im.qcloud.com'],
    ['usa', 'https://adminapiusa.im.qcloud.com'],
    ['jakarta', 'https://adminapiidn.im.qcloud.com'],
  ] as const)('%s → %s', (region, url) => {
    expect(regionEndpoint(region)).toBe(url);
  });

  test('there are no others', () => {
    expect([...regions].sort()).toEqual(['china', 'jakarta', 'singapore', 'usa']);
  });
});

test.each(['', 'China', 'moon', 'constructor', 'toString', '__proto__'])(
  '%j is no region',
  (text) => {
    expect(isRegion(text)).toBe(false);
  },
);

test('every region is known by its name', () => {
  expect(regions.filter(isRegion)).toEqual(regions);
});

test('the command is the documented path', () => {
  expect(destroyRoomCommand).toBe('v4/live_engine_http_srv/destroy_room');
});
