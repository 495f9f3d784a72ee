/** A token for a session: by hand, or from a link that `serve` printed. */
import { useEffect, useState } from 'preact/hooks';
import { send } from '../api';
import { useDoing } from '../asking';
import { Trouble } from '../parts';

/** The secret of a one-time link, taken out of the URL at once. */
function takeSecret(): string | undefined {
  const secret = /^#sign-in=([\w-]+)$/.exec(location.hash)?.[1];
  if (secret !== undefined) history.replaceState(null, '', '#/');
  return secret;
}

export function SignIn({ why, onSignedIn }: { why: string | undefined; onSignedIn: () => void }) {
  const [token, setToken] = useState('');
  const doing = useDoing();
  useEffect(() => {
    document.title = 'Sign in · room-reaper';
    // A link that is followed here changes the fragment and loads nothing anew.
    const follow = () => {
      const secret = takeSecret();
      if (secret !== undefined) void signIn(secret);
    };
    follow();
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);

  async function signIn(secret: string): Promise<void> {
    const isIn = await doing.run(async () => {
      await send('session', { token: secret });
    });
    if (isIn) onSignedIn();
  }
  return (
    <main class="lonely">
      <h1>room-reaper</h1>
      {why !== undefined && <p role="status">{why}</p>}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void signIn(token.trim());
        }}
      >
        <label class="field">
          Token
          <input
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={token}
            required
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <Trouble problem={doing.problem} />
        <div class="buttons">
          <button type="submit" class="primary" disabled={doing.isBusy || token.trim() === ''}>
            {doing.isBusy ? 'Working …' : 'Sign in'}
          </button>
        </div>
      </form>
      <p class="hint">
        A token is made on the machine of the service:
        <br />
        <code>room-reaper token create --name NAME --role operator</code>
      </p>
    </main>
  );
}
