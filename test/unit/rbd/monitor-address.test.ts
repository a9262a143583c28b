/** The monitors of the clusters file: what can be one, and what is said of the others. */
import { describe, expect, it } from 'vitest';
import { monitorsIn, monitorText, whyNotMonitor } from '../../../src/rbd/monitor-address.js';

describe('a monitor', () => {
  it.each([
    '10.0.0.1',
    '10.0.0.1:6789',
    'v2:10.0.0.1:3300',
    'mon-a.example',
    'mon_a:6789',
    'any:10.0.0.1:7000',
    '[fd00::1]',
    '[fd00::1]:3300',
    'v1:[fd00::1]:6789',
    '[v2:10.0.0.1:3300,v1:10.0.0.1:6789]',
    '[v2:[fd00::1]:3300,v1:[fd00::1]:6789]',
  ])('%s is taken as it is written', (text) => {
    expect(whyNotMonitor(text)).toBeUndefined();
    expect(monitorsIn(text).map(monitorText)).toEqual([text]);
  });

  it.each([
    ['fd00::1', ['[fd00::1]']],
    ['10.0.0.1:3300/0', ['10.0.0.1:3300']],
    ['10.0.0.1, 10.0.0.2 ; 10.0.0.3 10.0.0.4', ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']],
    ['[v2:a:3300,v1:a:6789],[v2:b:3300,v1:b:6789]', ['[v2:a:3300,v1:a:6789]', '[v2:b:3300,v1:b:6789]']],
  ])('%s is understood', (text, monitors) => {
    expect(whyNotMonitor(text)).toBeUndefined();
    expect(monitorsIn(text).map(monitorText)).toEqual(monitors);
  });

  it.each([
    ['10.0.0.1,', 'an address is empty (a comma too many?)'],
    [',10.0.0.1', 'an address is empty'],
    ['10.0.0.1,,10.0.0.2', 'an address is empty'],
    ['1.2.3.4:99999', '"99999" is no port'],
    ['1.2.3.4:0', '"0" is no port'],
    ['1.2.3.4:', '"" is no port'],
    ['1.2.3.4:mon', '"mon" is no port'],
    ['1.2.3', '"1.2.3" is neither an address nor a name'],
    ['300.1.1.1:6789', '"300.1.1.1" is neither an address nor a name'],
    ['mon/a', 'neither an address nor a name'],
    ['-a', 'neither an address nor a name'],
    ['fd00::1:3300', 'may or may not end with a port; write [fd00::1]:3300 or [fd00::1:3300]'],
    ['fd00::3300', 'may or may not end with a port; write [fd00::]:3300 or [fd00::3300]'],
    ['v1:fd00::1:6789', 'write [fd00::1]:6789'],
    ['fd00::1::2', 'an IPv6 address stands in brackets'],
    ['[fd00::1', 'an IPv6 address stands in brackets'],
    ['[10.0.0.1]:6789', '"10.0.0.1" is no IPv6 address'],
    ['[v2:10.0.0.1:3300,]', 'an address is empty'],
    ['[v2:10.0.0.1:99999,v1:10.0.0.1:6789]', '"99999" is no port'],
  ])('%s is none, and the reason is said', (text, why) => {
    expect(whyNotMonitor(text)).toContain(why);
  });
});
