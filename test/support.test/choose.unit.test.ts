import { describe, expect, it } from 'vitest';
import { type Facts, chooseSources, ownable } from '../support/choose.js';

const nothing: Facts = { docker: false, canInstall: false };
const everything: Facts = {
  url: 'redis://given',
  docker: true,
  program: '/bin/server',
  canInstall: true,
};

const kinds = (sources: { kind: string }[]): string => sources.map(({ kind }) => kind).join(' ');

describe('the order in which tests look for a server', () => {
  it.each<[rule: string, facts: Facts, sources: string]>([
    ['a given URL is the only choice', everything, 'url'],
    ['Docker comes before a program', { ...everything, url: undefined }, 'docker program'],
    [
      'a program is not installed twice',
      { ...nothing, program: '/bin/server', canInstall: true },
      'program',
    ],
    ['root on Debian installs the package', { ...nothing, canInstall: true }, 'install'],
    [
      'Docker alone, with the package to fall back on',
      { ...nothing, docker: true, canInstall: true },
      'docker install',
    ],
    ['without anything there is none', nothing, ''],
  ])('%s', (_rule, facts, sources) => {
    expect(kinds(chooseSources(facts))).toBe(sources);
  });

  it('a server that a test may kill is never the one behind a URL', () => {
    expect(kinds(ownable(everything))).toBe('docker program');
    expect(kinds(ownable(everything, [{ kind: 'docker' }]))).toBe('program');
    expect(kinds(ownable({ ...nothing, url: 'redis://given' }))).toBe('');
  });
});
