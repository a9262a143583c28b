/** The options of the page that shows all volumes to people; src/page/page-settings.ts says what goes together. */
import { optional } from './option-entry.js';
import { absolutePath, textOrNone } from './option-values.js';

export const PAGE_OPTIONS = {
  pageAddress: optional({
    flag: 'page-address',
    variable: 'BERTH_PAGE_ADDRESS',
    value: 'HOST:PORT',
    help: 'where a controller shows all volumes to people; nowhere unless it is given, by TLS unless HOST is 127.0.0.1',
    read: textOrNone,
  }),
  pageTokenFile: optional({
    flag: 'page-token-file',
    variable: 'BERTH_PAGE_TOKEN_FILE',
    value: 'FILE',
    help: 'the token that opens the page, 16 characters or more; it is read again when it changes',
    read: absolutePath,
  }),
  pageTlsCert: optional({
    flag: 'page-tls-cert',
    variable: 'BERTH_PAGE_TLS_CERT',
    value: 'FILE',
    help: "the page's certificate with its chain, as PEM",
    read: absolutePath,
  }),
  pageTlsKey: optional({
    flag: 'page-tls-key',
    variable: 'BERTH_PAGE_TLS_KEY',
    value: 'FILE',
    help: 'the key of that certificate',
    read: absolutePath,
  }),
  pageClientCa: optional({
    flag: 'page-client-ca',
    variable: 'BERTH_PAGE_CLIENT_CA',
    value: 'FILE',
    help: 'whoever has a certificate of this authority sees the page without a token',
    read: absolutePath,
  }),
};
