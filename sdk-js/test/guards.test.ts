import { afterEach, describe, expect, it, vi } from 'vitest';
import CVault from '../src/index.js';

const make = (baseUrl: string, options = {}) => () => new CVault({ apiKey: 'cvp_test', baseUrl, ...options });

afterEach(() => vi.unstubAllGlobals());

describe('baseUrl', () => {
  it.each(['https://api.example.com', 'https://api.example.com/cvault/', 'http://localhost:8080', 'http://127.0.0.1:8080', 'http://127.8.7.6', 'http://[::1]:8080'])('may be %s', url => {
    expect(make(url)).not.toThrow();
  });

  it.each([
    'http://api.example.com', 'http://localhost.example.com', 'http://127.0.0.1.example.com', 'http://10.0.0.1', 'http://[::2]', 'http://0.0.0.0', 'ftp://api.example.com', 'ws://localhost',
    'https://key:secret@api.example.com', 'https://api.example.com?x=1', 'https://api.example.com#x', 'api.example.com', '', '/api',
  ])('may not be %s', url => {
    expect(make(url)).toThrow(TypeError);
  });
});

describe('secrets', () => {
  it('are refused in a page', () => {
    vi.stubGlobal('window', {});
    vi.stubGlobal('document', {});
    expect(make('https://api.example.com', { apiSecret: 'cvs_canary' })).toThrow(/must never be in a page/);
    expect(make('https://api.example.com', { apiSecret: 'cvs_canary' })).not.toThrow(/canary/);
    expect(make('https://api.example.com')).not.toThrow();
  });

  it('are refused in a worker', () => {
    vi.stubGlobal('WorkerGlobalScope', class {});
    expect(make('https://api.example.com', { apiSecret: 'cvs_canary' })).not.toThrow(); // Node.js may have such a thing, of late
    vi.stubGlobal('process', undefined);
    expect(make('https://api.example.com', { apiSecret: 'cvs_canary' })).toThrow(/must never be in a page/);
  });

  it('are refused as keys', () => {
    expect(make('https://api.example.com', { apiKey: 'cvs_canary' })).toThrow(/is a secret/);
    expect(make('https://api.example.com', { apiKey: '' })).toThrow(TypeError);
  });

  it('are for servers', () => {
    expect(make('https://api.example.com', { apiKey: 'cvk_test', apiSecret: 'cvs_test' })).not.toThrow();
  });
});
