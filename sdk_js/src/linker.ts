// One visitor on several domains of one site: the id travels in the address, is taken once and disappears from it.

import { visitorId } from './identity';
import { keyOf, settings } from './settings';

/** Id, time and a checksum against mangled and forwarded addresses. Not a proof. */
const sign = (id: string, time: string) =>
  `${id}.${time}.${[...(id + time + navigator.userAgent)].reduce((sum, char) => (sum * 33 + char.charCodeAt(0)) | 0, 0)}`;

const isOwn = ({ hostname }: URL) =>
  settings.linker.some((domain) => `.${hostname}`.endsWith(`.${domain}`));

/** The address with the id; nothing for a domain that is not the site's own. */
export const mark = (address: string): string | undefined => {
  const url = new URL(address);
  const id = visitorId();
  if (!id || !isOwn(url)) return;
  url.searchParams.set(keyOf('id'), sign(id, `${Date.now()}`));
  return url.href;
};

/** Takes the id that an own domain sent within the last two minutes; the address bar is cleaned in any case. */
export const arrive = () => {
  const url = new URL(location.href);
  const value = url.searchParams.get(keyOf('id'));
  if (!value) return;
  const [id, time] = value.split('.');
  url.searchParams.delete(keyOf('id'));
  history.replaceState(history.state, '', url);
  if (value === sign(id, time) && Date.now() - +time < 120_000 && isOwn(new URL(document.referrer))) visitorId(id);
};
