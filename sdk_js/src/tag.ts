// The script tag: <script async src="/tropa.js" data-key="wk_…"></script>

import { enableForms } from './forms';
import { enableOutboundLinks } from './links';
import { enablePageViews } from './pages';
import { settings } from './settings';
import { api, open, type Call } from './tropa';

const script = document.currentScript as HTMLScriptElement;
const { key, auto = '', linker = '', ...rest } = script.dataset;
const { name = settings.name as string } = rest;
const page = window as unknown as Record<string, any>;
const stub = Object(page[name]);

// A second copy on the page leaves the first one in charge.
if (stub.push || !stub.identify) {
  // First: what waited for the script in `ready()` and `on()` may call by this name, and the stub would keep that for good.
  page[name] = api;
  open(
    {
      ...rest,
      // A script that is part of the page has no address of its own.
      url: new URL(rest.url || '/v1/batch', script.src || location.href).href,
      writeKey: key,
      linker: linker.split(' '),
    } as object,
    stub.push ? (stub as Call[]) : [],
  );
  if (/pages/.test(auto)) enablePageViews(api, { hash: /hash/.test(auto) });
  if (/forms/.test(auto)) enableForms(api);
  if (/links/.test(auto)) enableOutboundLinks(api);
}
