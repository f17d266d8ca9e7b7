// The data of the page: blocks of compressed JSON in base64, decoded when they are needed.

const PIECES_KEPT = 24;

/** Returns the content of a block as data. */
async function unpacked(id) {
  const text = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return JSON.parse(await new Response(plain).text());
}

/** Resolves once the whole file has arrived: blocks of details stand behind the script. */
function arrived() {
  if (document.readyState !== 'loading') return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener('DOMContentLoaded', resolve, { once: true });
  });
}

/** The details of executions, of which the last pieces that were looked at are kept decoded. */
class Details {
  constructor(pieces) {
    this.pieceOf = new Map();
    pieces.forEach((cases, piece) => cases.forEach((one) => this.pieceOf.set(one, piece)));
    this.decoded = new Map();
  }

  /** Returns the piece with the executions of a case. */
  async of(caseIndex) {
    const piece = this.pieceOf.get(caseIndex);
    if (piece === undefined) return null;
    const known = this.decoded.get(piece);
    this.decoded.delete(piece);
    const found = known || arrived().then(() => unpacked(`piece-${piece}`));
    this.decoded.set(piece, found);
    if (this.decoded.size > PIECES_KEPT) this.decoded.delete(this.decoded.keys().next().value);
    return found;
  }
}
