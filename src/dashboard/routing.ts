/**
 * Where one is, in the fragment of the URL: it works below any path, and RoomIds in it reach no
 * server and no log of a proxy.
 */
import { useEffect, useState } from 'preact/hooks';
import { query } from './api';

export interface Place {
  /** Such as `batches`. */
  screen: string;
  /** What follows it, such as the id of a batch. */
  id: string | undefined;
  query: URLSearchParams;
}

/** @param fragment - with its `#`. */
export function placeOf(fragment: string): Place {
  const [path = '', text = ''] = fragment.replace(/^#\/?/, '').split('?', 2);
  const [screen = '', id] = path.split('/');
  return {
    screen: screen === '' ? 'line' : screen,
    id: id === undefined || id === '' ? undefined : decoded(id),
    query: new URLSearchParams(text),
  };
}

/** As it is where it was cut off or written by hand: the server then says that it knows no such one. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function linkTo(
  screen: string,
  id?: string,
  values: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const path = id === undefined ? screen : `${screen}/${encodeURIComponent(id)}`;
  return `#/${path}${query(values)}`;
}

export function goTo(link: string): void {
  location.hash = link;
}

/** Changes the filters of a screen without a step to go back to. */
export function setQuery(place: Place, values: Record<string, string | undefined>): void {
  const merged = { ...Object.fromEntries(place.query), ...values };
  history.replaceState(null, '', linkTo(place.screen, place.id, merged));
  dispatchEvent(new HashChangeEvent('hashchange'));
}

export function usePlace(): Place {
  const [place, setPlace] = useState(() => placeOf(location.hash));
  useEffect(() => {
    const onChange = () => setPlace(placeOf(location.hash));
    addEventListener('hashchange', onChange);
    return () => removeEventListener('hashchange', onChange);
  }, []);
  return place;
}
