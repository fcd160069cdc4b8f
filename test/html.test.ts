import { describe, expect, it } from 'vitest';
import { html } from '../lib/html.ts';

describe('markup', () => {
  it('what is inserted stays text, between tags and in attributes of both quotes', () => {
    const hostile = `<script>alert("1")</script>&amp;'`;
    expect(html`<p title="${hostile}">${hostile}</p>`.markup).toBe(
      '<p title="&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;&#39;">&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;&#39;</p>',
    );
  });

  it('characters that turn text around or hide it are shown by number', () => {
    expect(html`${'a\u202eb\u0000\u001bc'}`.markup).toBe('a\\u{202e}b\\u{0}\\u{1b}c');
  });

  it('markup in markup is not escaped again; lists are joined; nothing is nothing', () => {
    expect(html`<b>${[html`<i>${1}</i>`, 'x&y', null]}${undefined}</b>`.markup).toBe(
      '<b><i>1</i>x&amp;y</b>',
    );
  });
});
