//! People who use the platform, by the same handle as every door.

use tow_api::Nothing;
use tow_api::access::token_create::{self, Reply as TokenReply};
use tow_api::object::apply::Document;
use tow_api::object::get as object;
use tow_api::operation::get::{GetOperation, OperationView};
use tow_api::plan::create::{Body, ChangeRequest, CreatePlan, PlanView};
use tow_api::plan::{apply::ApplyPlan, get};
use tow_api::{Endpoint, source::upload};
use tow_names::{EntityRef, Namespace};
use tow_platform::{App, AppError, Call, Handle, OpCtx};
use tow_record::{Actor, Limits, Role, Source};

/// Somebody with rights.
#[derive(Clone)]
pub struct Person {
    app: App,
    /// Who, and by which request.
    pub ctx: OpCtx,
    key: Option<String>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person").field("ctx", &self.ctx).finish_non_exhaustive()
    }
}

/// A change of a component in an environment, without documents.
pub fn change(component: &str, environment: &str, change: ChangeRequest) -> Body {
    Body {
        component: Some(component.into()),
        environment: Some(environment.into()),
        documents: Vec::new(),
        source: None,
        change,
    }
}

impl Person {
    /// Of this name and role, in these groups.
    pub fn new(app: &App, name: &str, role: Role, groups: &[&str]) -> Self {
        let groups = groups.iter().map(|group| format!("group:default/{group}")).collect();
        let actor = Actor { name: name.into(), role, groups, limits: Limits::default() };
        let ctx = OpCtx { actor, request: "req-test".into() };
        Self { app: app.clone(), ctx, key: None }
    }

    /// Whose writes carry an idempotency key that begins so, as those of a client that repeats itself do.
    #[must_use]
    pub fn repeating(&self, key: &str) -> Self {
        Self { key: Some(key.into()), ..self.clone() }
    }

    /// One call of an endpoint.
    pub async fn call<E: Endpoint>(
        &self,
        path: E::Path,
        query: E::Query,
        body: E::Body,
    ) -> Result<E::Reply, AppError>
    where
        App: Handle<E>,
    {
        let idempotency_key = self.key.as_ref().map(|key| format!("{key}/{}", E::ID));
        let call = Call::<E> { path, query, body, idempotency_key };
        Box::pin(self.app.handle(&self.ctx, call)).await
    }

    /// Uploads a folder that is this text.
    pub async fn upload(&self, text: &str) -> Result<Source, AppError> {
        let bytes = bytes::Bytes::from(text.to_string());
        let stream = Box::pin(futures::stream::iter([Ok(bytes)]));
        self.app.upload_source(&self.ctx, upload::Query::default(), stream).await
    }

    /// Plans a change.
    pub async fn plan(&self, body: Body) -> Result<PlanView, AppError> {
        self.call::<CreatePlan>(Nothing {}, Nothing {}, body).await
    }

    /// Plans the deploy of documents (name and text) and of a folder that is this text.
    pub async fn plan_deploy(
        &self,
        environment: &str,
        documents: &[(&str, &str)],
        source: &str,
    ) -> Result<PlanView, AppError> {
        let source = self.upload(source).await?;
        let documents = documents.iter().map(|(name, text)| Document::new(*name, *text)).collect();
        self.plan(Body {
            component: None,
            environment: Some(environment.into()),
            documents,
            source: Some(source.digest.to_string()),
            change: ChangeRequest::Deploy { release: None },
        })
        .await
    }

    /// Applies a plan; the operation it became, if it had anything to do.
    pub async fn apply(&self, plan: &str) -> Result<Option<String>, AppError> {
        let path = get::Path { plan: plan.into() };
        Ok(self.call::<ApplyPlan>(path, Nothing {}, Nothing {}).await?.operation)
    }

    /// Plans and applies a deploy.
    pub async fn deploy(
        &self,
        environment: &str,
        documents: &[(&str, &str)],
        source: &str,
    ) -> Result<Option<String>, AppError> {
        let plan = self.plan_deploy(environment, documents, source).await?;
        self.apply(&plan.id).await
    }

    /// Plans and applies a change.
    pub async fn change(
        &self,
        component: &str,
        environment: &str,
        what: ChangeRequest,
    ) -> Result<Option<String>, AppError> {
        let plan = self.plan(change(component, environment, what)).await?;
        self.apply(&plan.id).await
    }

    /// How an operation stands.
    pub async fn operation(&self, id: &str) -> Result<OperationView, AppError> {
        let path = tow_api::operation::get::Path { operation: id.into() };
        let query = tow_api::operation::get::Query { after: None };
        self.call::<GetOperation>(path, query, Nothing {}).await
    }

    /// Applies documents.
    pub async fn declare(&self, text: &str) -> Result<(), AppError> {
        use tow_api::object::apply::{Apply, Body};
        let documents = vec![Document::new("test.yaml", text)];
        self.call::<Apply>(Nothing {}, Nothing {}, Body::of(documents)).await?;
        Ok(())
    }

    /// A token of theirs. What this person is said to be holds only in the test; the platform believes groups and bindings,
    /// so those are declared first, and their User with them.
    pub async fn token(&self) -> Result<String, AppError> {
        self.bind().await?;
        Ok(self.token_of(TokenBody::default()).await?.token.expect("a fresh token is shown"))
    }

    /// A token as asked for.
    pub async fn token_of(&self, body: TokenBody) -> Result<TokenReply, AppError> {
        self.in_catalog().await?;
        let TokenBody { owner, role, actions, only, expires_in } = body;
        let body =
            token_create::Body { note: "a test's".into(), owner, role, actions, only, expires_in };
        self.call::<token_create::CreateToken>(Nothing {}, Nothing {}, body).await
    }

    /// Declares their User where there is none: whoever is in no catalog holds no token.
    pub async fn in_catalog(&self) -> Result<(), AppError> {
        let name = &self.ctx.actor.name;
        let who = EntityRef::parse(name, Some("user"), &Namespace::default());
        let who = who.expect("a person has a name");
        let root = Self { app: self.app.clone(), ctx: OpCtx::system("test"), key: None };
        let path = object::Path {
            kind: "user".into(),
            namespace: who.namespace().to_string(),
            name: who.name().to_string(),
        };
        match root.call::<object::GetObject>(path, Nothing {}, Nothing {}).await {
            Err(error) if error.is("object/not-found") => {}
            known => return known.map(drop),
        }
        let text = format!(
            "apiVersion: backstage.io/v1alpha1\nkind: User\nmetadata:\n  name: {}\nspec:\n  memberOf: []\n",
            who.name()
        );
        root.declare(&text).await
    }

    /// Declares the binding that gives them their role, in the platform's own name.
    pub async fn bind(&self) -> Result<(), AppError> {
        let Actor { name, role, .. } = &self.ctx.actor;
        let binding = name.replace([':', '/'], "-");
        let text = format!(
            "apiVersion: towpath.dev/v1\nkind: RoleBinding\nmetadata:\n  name: {binding}\nspec:\n  \
             role: {}\n  subjects: [{name}]\n",
            role.as_str()
        );
        let root = Self { app: self.app.clone(), ctx: OpCtx::system("test"), key: None };
        root.declare(&text).await
    }
}

/// What token a test asks for.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "as in the contract's body")]
pub struct TokenBody {
    pub owner: Option<String>,
    pub role: Option<Role>,
    pub actions: Option<Vec<tow_api::Action>>,
    pub only: Option<Vec<String>>,
    pub expires_in: Option<tow_names::Duration>,
}
