// Text of a model as text: what has no shape of its own is shown as an escape, as the node does it.

const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
const KEPT = new Set(["\n", "\t", "\u200c", "\u200d"]);

/** The text with escapes such as \u202e. */
export function visible(text) {
  return text.replace(UNSEEN, (one) => {
    if (KEPT.has(one)) return one;
    const code = one.codePointAt(0);
    const hex = code.toString(16);
    if (code < 0x100) return "\\x" + hex.padStart(2, "0");
    return code < 0x10000 ? "\\u" + hex.padStart(4, "0") : "\\U" + hex.padStart(8, "0");
  });
}
