import { quietly } from './storage';
import type { Tropa } from './types';

/** `Form Submitted` with the form's id, name and address, never with what was typed. Returns the cleanup. */
export const enableForms = (tropa: Pick<Tropa, 'track'>): (() => void) => {
  const submitted = ({ target }: Event) =>
    quietly(() => {
      // Attributes, since a field named "id" or "action" hides the form's own property.
      const attribute = (name: string) => (target as Element).getAttribute(name);
      tropa.track('Form Submitted', { id: attribute('id'), name: attribute('name'), action: attribute('action') });
    });
  addEventListener('submit', submitted, true);
  return () => removeEventListener('submit', submitted, true);
};
