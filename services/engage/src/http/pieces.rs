//! [`Pieces`]: a body that hands out a large message in pieces.
//!
//! The HTTP server copies what a body gives into a buffer of the connection, and that stays as large as it once was. The
//! first message of a viewer, all its devices, would be paid for as long as the viewer is there.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

/// Size of a piece, bytes. The server asks for more while it has less than this waiting, so that a connection usually
/// has less than twice as much: what its buffer begins with.
pub const PIECE: usize = 4 << 10;

/// Largest piece, bytes.
const LARGEST: usize = 64 << 10;

/// A body in pieces.
struct Pieces<B> {
    body: B,
    /// Of what the body gave, what was not handed out yet.
    rest: Bytes,
    /// Size of the last message.
    last: usize,
    piece: usize,
}

/// The same response, its body in pieces.
pub fn in_pieces(response: HttpResponse) -> HttpResponse {
    response.map_body(|_, body| BoxBody::new(Pieces { body, rest: Bytes::new(), last: 0, piece: PIECE }))
}

impl<B: MessageBody + Unpin> MessageBody for Pieces<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, B::Error>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_next(cx)) {
                Some(Ok(bytes)) => {
                    // where one large message follows another, the buffer is worth it
                    this.piece = this.last.min(bytes.len()).clamp(PIECE, LARGEST);
                    this.last = bytes.len();
                    this.rest = bytes;
                }
                end => return Poll::Ready(end),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(this.piece));
        Poll::Ready(Some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use futures_util::{StreamExt, stream};

    use super::*;

    /// Sizes of the pieces that messages of these sizes come in.
    async fn pieces(messages: &[usize]) -> Vec<usize> {
        let messages: Vec<_> =
            messages.iter().zip(1..).map(|(size, byte)| Bytes::from(vec![byte; *size])).collect();
        let whole = messages.concat();
        let body = stream::iter(messages).map(Ok::<_, std::convert::Infallible>);
        let mut body = Box::pin(in_pieces(HttpResponse::Ok().streaming(Box::pin(body))).into_body());
        assert_eq!(body.size(), BodySize::Stream);
        let (mut sizes, mut got) = (Vec::new(), Vec::new());
        while let Some(piece) = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            let piece = piece.unwrap();
            sizes.push(piece.len());
            got.extend_from_slice(&piece);
        }
        assert!(got == whole, "nothing is lost");
        sizes
    }

    #[actix_web::test]
    async fn a_large_message_among_small_ones_comes_in_pieces() {
        let sizes = pieces(&[3 * PIECE + 1, 10, PIECE, PIECE + 1, 20]).await;
        assert_eq!(sizes, [PIECE, PIECE, PIECE, 1, 10, PIECE, PIECE, 1, 20]);
    }

    #[actix_web::test]
    async fn large_messages_in_a_row_come_as_they_are() {
        let sizes = pieces(&[3 * PIECE, 2 * PIECE, 2 * PIECE + 1, 2 * LARGEST, 2 * LARGEST]).await;
        let before = [PIECE; 3].into_iter().chain([2 * PIECE, 2 * PIECE, 1]);
        let parts = 2 * LARGEST / (2 * PIECE + 1);
        let after = [2 * PIECE + 1].repeat(parts).into_iter().chain([
            2 * LARGEST % (2 * PIECE + 1),
            LARGEST,
            LARGEST,
        ]);
        assert_eq!(sizes, before.chain(after).collect::<Vec<_>>());
    }

    #[actix_web::test]
    async fn a_body_of_known_size_keeps_it() {
        let body = in_pieces(HttpResponse::Ok().body("short")).into_body();
        assert_eq!(body.size(), BodySize::Sized(5));
        assert_eq!(to_bytes(body).await.unwrap(), "short");
    }
}
